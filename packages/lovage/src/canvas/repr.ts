// A signature as Celery prints it: `add(2, 2)`, `add(1, 2) | mul(3)`, `group((add(1), add(2)))`, `%sum([add(1), add(2)])`.
import { isRecord, saferepr, type WireSignature } from '../protocol/index.ts';
import { bodyOf, chainOf, headerOf, kindOf, signatureOf, tasksOf } from './wire.ts';

/** Characters shown of the items of a map. */
const MAX_ITEMS = 100;

const looksLikeSignature = (value: unknown): boolean =>
  isRecord(value) && typeof value.task === 'string' && isRecord(value.kwargs);

function valueRepr(value: unknown): string {
  return looksLikeSignature(value) ? reprOf(signatureOf(value)) : saferepr(value, { maxLevels: 0 });
}

function callRepr(name: string, args: readonly string[], { kwargs }: WireSignature): string {
  const named = Object.entries(kwargs).map(([key, value]) => `${key}=${valueRepr(value)}`);
  return `${name}(${[...args, ...named].join(', ')})`;
}

/** The module of the first task is written once. */
function withoutRepeats(task: string, text: string): string {
  const dot = task.lastIndexOf('.');
  const prefix = task.slice(0, dot + 1);
  const first = dot < 0 ? -1 : text.indexOf(prefix);
  if (first < 0) return text;
  const after = first + prefix.length;
  return text.slice(0, after) + text.slice(after).replaceAll(prefix, '');
}

function firstTask(signature: WireSignature | undefined): string {
  return signature?.task ?? '';
}

/** The text of any signature. Throws InvalidTaskError for parts that are none. */
export function reprOf(signature: WireSignature): string {
  switch (kindOf(signature)) {
    case 'chain':
      return chainRepr(tasksOf(signature));
    case 'group': {
      const tasks = tasksOf(signature);
      const inner = tasks.map(reprOf).join(', ');
      return withoutRepeats(firstTask(tasks[0]), `group((${inner}${tasks.length === 1 ? ',' : ''}))`);
    }
    case 'chord':
      return chordRepr(signature);
    case 'task':
      return taskRepr(signature);
  }
}

function chainRepr(tasks: readonly WireSignature[]): string {
  return tasks.length === 0 ? 'chain()' : withoutRepeats(firstTask(tasks[0]), tasks.map(reprOf).join(' | '));
}

function chordRepr(chord: WireSignature): string {
  const header = `[${tasksOf(headerOf(chord)).map(reprOf).join(', ')}]`;
  const body = bodyOf(chord);
  if (body === undefined) return `chord(${header})`;
  const steps = kindOf(body) === 'chain' ? tasksOf(body) : [body];
  const [first, ...others] = steps;
  if (first === undefined) return `chord(${header}, chain())`;
  const call =
    kindOf(first) === 'task'
      ? callRepr(first.task, [header, ...first.args.map(valueRepr)], first)
      : `${header} | ${reprOf(first)}`;
  if (kindOf(body) !== 'chain') return `%${withoutRepeats(first.task, call)}`;
  return withoutRepeats(first.task, `%(${call} | ${reprOf(chainOf(others))})`);
}

function taskRepr(signature: WireSignature): string {
  const { task, args, kwargs } = signature;
  if ((task === 'celery.map' || task === 'celery.starmap') && looksLikeSignature(kwargs.task)) {
    const items = saferepr(kwargs.it, { maxLength: MAX_ITEMS, maxLevels: 0 });
    return `[${signatureOf(kwargs.task).task}(${task === 'celery.map' ? 'x' : '*x'}) for x in ${items}]`;
  }
  return callRepr(task, args.map(valueRepr), signature);
}
