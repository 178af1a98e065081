// Do the arguments fit the task? Asked at the call, before anything is sent, and again in the worker, where Python's keyword
// arguments also find their places.
import { ArgumentsError, didYouMean } from '../util/index.ts';
import type { TaskDefinition } from './options.ts';

type Args = readonly unknown[];
type Kwargs = Readonly<Record<string, unknown>>;

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

function expectation({ arity, params }: TaskDefinition): string {
  if (arity === undefined) return 'other arguments';
  const names = params === undefined || params.length === 0 ? '' : ` (${params.join(', ')})`;
  if (arity.max === Number.POSITIVE_INFINITY) return `at least ${plural(arity.min, 'argument')}${names}`;
  if (arity.min === arity.max) return `${plural(arity.max, 'argument')}${names}`;
  return arity.min === 0
    ? `at most ${plural(arity.max, 'argument')}${names}`
    : `${arity.min} to ${plural(arity.max, 'argument')}${names}`;
}

/** Why these arguments do not fit, in plain words; undefined when they do, or when too little is known of the task. */
export function misfit(definition: TaskDefinition, args: Args, kwargs: Kwargs): string | undefined {
  const { name, arity, params } = definition;
  const keys = Object.keys(kwargs);
  const placed = placeKeywords(definition, args, keys);
  if (placed !== undefined) return placed;
  if (arity === undefined) return undefined;
  if (args.length > arity.max) return `${name} takes ${expectation(definition)}, but got ${args.length}.`;
  const missing = (params ?? []).slice(args.length, arity.min).filter((param) => !keys.includes(param));
  if (missing.length > 0) return `${name} takes ${expectation(definition)}, but got no value for ${missing.join(' and ')}.`;
  if (params === undefined && args.length + keys.length < arity.min) {
    return `${name} takes ${expectation(definition)}, but got ${args.length}.`;
  }
  return undefined;
}

/** `params` of a task that looks at its request for its keyword arguments, whatever they are called. */
export const ANY_KEYWORDS: readonly string[] = Object.freeze([]);

function placeKeywords({ name, params }: TaskDefinition, args: Args, keys: readonly string[]): string | undefined {
  if (keys.length === 0 || params === ANY_KEYWORDS) return undefined;
  if (params === undefined) {
    return `${name} got the keyword arguments ${keys.join(', ')}, but the names of its parameters are not known; give the task the option params: ['…'].`;
  }
  const unknown = keys.filter((key) => !params.includes(key));
  if (unknown.length > 0) {
    const known = params.length === 0 ? 'it has none' : `its parameters are ${params.join(', ')}`;
    return `${name} has no parameter for the keyword arguments ${unknown.join(', ')}; ${known}.${didYouMean(unknown[0] ?? '', params)}`;
  }
  const twice = keys.filter((key) => params.indexOf(key) < args.length);
  return twice.length > 0 ? `${name} got two values for ${twice.join(' and ')}: by position and by name.` : undefined;
}

/** Throws ArgumentsError when the arguments of a call do not fit. */
export function checkArguments(definition: TaskDefinition, args: Args, kwargs: Kwargs): void {
  const reason = misfit(definition, args, kwargs);
  if (reason !== undefined) throw new ArgumentsError(`${reason} Nothing was sent.`);
}

/** The arguments in the order of the parameters. Throws TypeError, as the call in Python would. */
export function bindArguments(definition: TaskDefinition, args: Args, kwargs: Kwargs, typing: boolean): Args {
  const keys = Object.keys(kwargs);
  const reason = typing ? misfit(definition, args, kwargs) : placeKeywords(definition, args, keys);
  if (reason !== undefined) throw new TypeError(reason);
  if (keys.length === 0 || definition.params === ANY_KEYWORDS) return args;
  const places = keys.map((key) => definition.params?.indexOf(key) ?? -1);
  const bound: unknown[] = [...args];
  // Places between that nobody filled stay undefined, so that a default value of the function applies.
  bound.length = Math.max(args.length, ...places.map((place) => place + 1));
  for (const [index, place] of places.entries()) bound[place] = kwargs[keys[index] ?? ''];
  return Array.from(bound);
}
