// What a task's options are in the end: annotations over what it declares, over the settings of the app.
import type { TaskDefinition, TaskHandlers, TaskOptions } from '../task/index.ts';
import { ConfigurationError } from '../util/index.ts';
import { annotationsForm } from './settings/celery-forms.ts';
import { checkAnnotations } from './settings/checks.ts';
import type { Annotated, Annotation, Settings } from './settings.ts';

/** A record without the keys whose value is undefined: absent and undefined mean the same, but a spread does not know that. */
export function defined<T extends object>(record: T): T {
  const entries = Object.entries(record);
  const given = entries.filter(([, value]) => value !== undefined);
  return given.length === entries.length ? record : (Object.fromEntries(given) as T);
}

/** What a task says for itself: its declaration, with taskAnnotations over it. An entry for the task beats one for `*`; both beat the declaration. */
export function explicitOptions(definition: TaskDefinition, settings: Settings): Readonly<TaskOptions & TaskHandlers> {
  const annotations = settings.taskAnnotations;
  if (annotations === null) return defined(definition.options);
  const list: readonly Annotation[] = Array.isArray(annotations) ? annotations : [annotations as Annotation];
  const forAll = first(list, (annotation) => (typeof annotation === 'function' ? undefined : annotation['*']));
  const forTask = first(list, (annotation) =>
    typeof annotation === 'function' ? answerOf(annotation, definition) : own(annotation, definition.name),
  );
  return { ...defined(definition.options), ...defined(forAll ?? {}), ...defined(forTask ?? {}) };
}

function first(list: readonly Annotation[], pick: (annotation: Annotation) => Annotated | undefined): Annotated | undefined {
  for (const annotation of list) {
    const found = pick(annotation);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What stands in a map was checked with the settings; a function may answer anything. */
function answerOf(
  annotation: Extract<Annotation, (...args: never[]) => unknown>,
  definition: TaskDefinition,
): Annotated | undefined {
  const answer: unknown = annotation(definition);
  if (answer === undefined || answer === null) return undefined;
  const options = annotationsForm({ [definition.name]: answer }) as Readonly<Record<string, Annotated>>;
  const wrong = checkAnnotations(options);
  if (wrong === undefined) return options[definition.name];
  throw new ConfigurationError(`A function in taskAnnotations ${wrong}.`);
}

function own(annotation: Exclude<Annotation, (...args: never[]) => unknown>, name: string): Annotated | undefined {
  return Object.hasOwn(annotation, name) ? annotation[name] : undefined;
}

/** The options of a task with everything filled in that a setting can say. */
export function effectiveOptions(
  explicit: Readonly<TaskOptions & TaskHandlers>,
  settings: Settings,
): Readonly<TaskOptions & TaskHandlers> {
  const umbrella = settings.taskAcksOnFailureOrTimeout;
  return Object.freeze({
    typing: settings.strictTyping,
    serializer: settings.taskSerializer,
    rateLimit: settings.taskDefaultRateLimit,
    ignoreResult: settings.taskIgnoreResult,
    storeErrorsEvenIfIgnored: settings.taskStoreErrorsEvenIfIgnored,
    storeEagerResult: settings.taskStoreEagerResult,
    trackStarted: settings.taskTrackStarted,
    timeLimit: settings.taskTimeLimit,
    softTimeLimit: settings.taskSoftTimeLimit,
    acksLate: settings.taskAcksLate,
    acksOnFailure: settings.taskAcksOnFailure ?? umbrella,
    acksOnTimeout: settings.taskAcksOnTimeout ?? umbrella,
    rejectOnWorkerLost: settings.taskRejectOnWorkerLost,
    ...(settings.taskCompression === null ? {} : { compression: settings.taskCompression }),
    ...(settings.taskDefaultPriority === null ? {} : { priority: settings.taskDefaultPriority }),
    ...explicit,
  });
}
