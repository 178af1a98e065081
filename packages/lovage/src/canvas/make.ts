// The words of a canvas: chain, group, chord, map, starmap, chunks. Typed: each knows what flows through it, so that a wrong link does not
// compile. They take what has an app (signatures of tasks, here or elsewhere) and give what can be sent.
import type { WireSignature } from '../protocol/index.ts';
import type {
  AnyArgs,
  ChainOf,
  ChordOf,
  Fitting,
  GroupKind,
  GroupOf,
  GroupSignature,
  Head,
  Header,
  HeaderOf,
  ImmutableSignature,
  Linked,
  SignatureLike,
  Step,
  TaskHandle,
} from '../task/index.ts';
import { ConfigurationError } from '../util/index.ts';
import { canvasOf } from './canvas.ts';
import { chained } from './combine.ts';
import { asPart, chainOf, chordOf, chunksOf, groupOf, groupOfList, kindOf, mapOf, starmapOf } from './wire.ts';

const isSignature = (value: unknown): value is SignatureLike =>
  typeof value === 'object' && value !== null && typeof (value as Partial<SignatureLike>).toWire === 'function';

/** Signatures, or the one list of them. Throws ConfigurationError for what is neither. */
function signaturesOf(
  given: readonly unknown[],
  what: string,
): { readonly items: readonly SignatureLike[]; readonly isList: boolean } {
  const [only] = given;
  const isList = given.length === 1 && !isSignature(only) && typeof only === 'object' && only !== null && Symbol.iterator in only;
  const items = isList ? Array.from(only as Iterable<unknown>) : given;
  for (const [index, item] of items.entries()) {
    if (isSignature(item)) continue;
    const found = typeof item === 'function' ? 'a function: call .s(…) of a task' : String(item);
    throw new ConfigurationError(`Only signatures can be part of a ${what}; number ${index + 1} is ${found}.`);
  }
  return { items: items as readonly SignatureLike[], isList };
}

const wiresOf = (items: readonly SignatureLike[]): readonly WireSignature[] => items.map((item) => asPart(item.toWire()));

/** Steps one after the other: each gets the result of the one before it as its first argument. Also of one list of steps. A group with a step behind it becomes a chord. */
export function chain<const Steps extends readonly (Step | Iterable<Step>)[]>(...steps: Linked<Steps>): ChainOf<Steps> {
  const { items, isList } = signaturesOf(steps as readonly unknown[], 'chain');
  const wires = wiresOf(items);
  // One signature alone stays a step, whatever it is; several are piped.
  const made = wires.length === 1 && !isList ? chainOf(wires) : chained(wires, { errorsOnHeader: false });
  return canvasOf(made, items);
}

/** Tasks side by side: the result is the list of their results. Also of one list, or of anything that can be iterated, which is read once. Groups among them count as their members. */
export function group<const Members extends readonly (Step | Iterable<Step>)[]>(...members: Members): GroupOf<Members> {
  const { items, isList } = signaturesOf(members, 'group');
  const wires = wiresOf(items);
  const [only] = wires;
  if (!isList && wires.length === 1 && only !== undefined && kindOf(only) === 'group') return canvasOf(only, items);
  return canvasOf(isList ? groupOfList(wires) : groupOf(wires), items);
}

/** What is still to be given to a chord: its body. */
export type ChordMaker<H> = <Body extends Step>(body: Fitting<ResultsOfHeader<H>, Body>) => ChordOf<H, Body>;
type ResultsOfHeader<H> = HeaderOf<H> extends GroupSignature<never, infer Results, GroupKind> ? Results : never;

/** A group with a body, which gets the list of its results once all have come: `chord(header, body)`, or `chord(header)(body)`. A chain in the header is one member. */
export function chord<const H extends Header, Body extends Step = never>(
  header: H,
  body?: Fitting<ResultsOfHeader<H>, Body>,
): [Body] extends [never] ? ChordMaker<H> : ChordOf<H, Body> {
  const make = (last: unknown): unknown => {
    if (!isSignature(last)) {
      throw new ConfigurationError(
        'The body of a chord must be a signature, such as task.s(): it is called with the list of results.',
      );
    }
    const { items } = signaturesOf([header], 'chord header');
    const wires = wiresOf(items);
    const [only] = wires;
    const group = isSignature(header) && only !== undefined && kindOf(only) === 'group' ? only : groupOf(wires);
    return canvasOf(chordOf(group, asPart(last.toWire())), [...items, last]);
  };
  // The compiler cannot see which of the two it is.
  return (body === undefined ? make : make(body)) as never;
}

/** The bare signature of a task; its own arguments play no part in a map. */
function bare<Args extends readonly unknown[]>(task: TaskHandle<Args, unknown>): readonly [SignatureLike] {
  // Only its name and its options are asked for, so that the arguments may be missing.
  return [task.signature([] as readonly unknown[] as Args)];
}

/** One message that calls a task for each item in turn: the result is the list of what it returned. The task must be known to the worker that runs it. */
export function map<Args extends readonly unknown[], Result>(
  task: TaskHandle<Args, Result>,
  items: Iterable<Head<Args>>,
): ImmutableSignature<Result[]> {
  const [signature] = bare(task);
  return canvasOf(mapOf(signature.toWire(), items), [signature]);
}

/** The same with a list of arguments for each call. */
export function starmap<Args extends readonly unknown[], Result>(
  task: TaskHandle<Args, Result>,
  items: Iterable<Readonly<Args>>,
): ImmutableSignature<Result[]> {
  const [signature] = bare(task);
  return canvasOf(starmapOf(signature.toWire(), items), [signature]);
}

/** Chunks: sent, or part of another canvas, they are the group that `group()` gives. */
export interface ChunksSignature<Result> extends GroupSignature<AnyArgs, Result[][], 'list'> {
  /** A group of starmaps, `size` items each. */
  group(): GroupSignature<AnyArgs, Result[][], 'list'>;
}

/** A long list of calls in messages of `size` calls each: the result is a list of lists. Throws ConfigurationError when the size is no whole number above 0. */
export function chunks<Args extends readonly unknown[], Result>(
  task: TaskHandle<Args, Result>,
  items: Iterable<Readonly<Args>>,
  size: number,
): ChunksSignature<Result> {
  const [signature] = bare(task);
  return canvasOf(chunksOf(signature.toWire(), items, size), [signature]);
}
