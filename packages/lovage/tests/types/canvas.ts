// What canvases promise at compile time. Nothing here runs: tsc fails when a line that must not compile does.
import { chain, chord, chunks, group, map, starmap } from '../../src/canvas/index.ts';
import type { AsyncResult, GroupResult } from '../../src/result/index.ts';
import type { DeclareRemote, DeclareTask, Fitting, GroupSignature, ImmutableSignature, Signature } from '../../src/task/index.ts';

declare const task: DeclareTask;
declare const remote: DeclareRemote;

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_proof: Same<A, B>): void => undefined;

const add = task('add', (x: number, y: number) => x + y);
const text = task('text', (x: number) => String(x));
const sum = task('sum', (numbers: number[]) => numbers.length);
const pair = task('pair', ([left, right]: [number, string]) => `${left}${right}`);
const total = task('total', (...numbers: number[]) => numbers.length);
const anything = remote('py.any');

// A chain knows what flows through it.
const three = chain(add.s(1, 2), add.s(3), text.s());
same<typeof three, Signature<[], string>>(true);
const partial = chain(add.s(1), text.s());
same<typeof partial, Signature<[number], string>>(true);
const listed = chain([1, 2].map((n) => add.s(n)));
same<typeof listed, Signature<[number], number>>(true);
chain(add.s(1, 2), total.s());
chain(text.s(1), add.si(1, 2), text.s());
chain(add.s(1, 2), anything.s('more'), add.s(1));
void three.delay().then((result) => same<typeof result, AsyncResult<string>>(true));
void partial.delay(2);
// @ts-expect-error the last step would get one argument too many
chain(add.s(1, 2), add.s(3, 4));
// @ts-expect-error the result is a text, the step wants a number
chain(text.s(1), add.s(3));
// @ts-expect-error the step lacks two arguments
chain(add.s(1, 2), add.s());
// @ts-expect-error the third step is wrong, whatever the first two are
chain(add.s(1, 2), add.s(3), sum.s());
// @ts-expect-error a task is no signature
chain(add, text.s());
// @ts-expect-error the chain lacks its first argument
void partial.delay();
// The errors are sentences.
same<
  Fitting<number, Signature<[], number>>,
  'This step lacks no argument, so it cannot take the result of the step before it: leave its first argument out, or use si().'
>(true);
same<
  Fitting<string, Signature<[number], number>>,
  'This step must lack exactly its first argument, of the type that the step before it returns.'
>(true);

// A pipe is the same, one step at a time.
same<ReturnType<typeof piped>, Signature<[], string>>(true);
const piped = () => add.s(1, 2).pipe(add.s(3)).pipe(text.s());
// @ts-expect-error the result is a number, the task wants a list
add.s(1, 2).pipe(sum.s());

// A group of different tasks is a tuple, of a list a list.
const both = group(add.s(1, 2), text.s(3));
same<typeof both, GroupSignature<[], [number, string], 'members'>>(true);
const partials = group(add.s(1), text.s());
same<typeof partials, GroupSignature<[number], [number, string], 'members'>>(true);
const many = group([1, 2, 3].map((n) => add.s(n)));
same<typeof many, GroupSignature<[number], number[], 'list'>>(true);
const tuple = group([add.s(1, 2), text.s(3)]);
same<typeof tuple, GroupSignature<[], [number, string], 'list'>>(true);
const nested = group(add.s(1, 2), group(text.s(1), text.s(2)));
same<typeof nested, GroupSignature<[], [number, string, string], 'members'>>(true);
const ending = group(chain(add.s(1, 2), partials), text.s(1));
same<typeof ending, GroupSignature<[], [[number, string], string], 'members'>>(true);
void both.delay().then(async (result) => {
  same<typeof result, GroupResult<[number, string]>>(true);
  const values = await result.get();
  same<typeof values, [number, string]>(true);
});
// @ts-expect-error the members lack a number
void partials.delay();
// @ts-expect-error a group has no result that it could hand to a callback
both.link(sum.s());
// @ts-expect-error members that lack different things
void group(add.s(1), anything.s(), sum.s()).delay(1);
chain(text.s(1), group(add.si(1, 2), text.si(3)));
// @ts-expect-error one member lacks nothing, and would get an argument too many
chain(add.s(1, 2), group(text.s(), add.s(1, 2)));

// What follows a group gets the list; a group that was written with one member is that member where it follows something.
const paired = both.pipe(pair.s());
same<typeof paired, Signature<[], string>>(true);
const inner = chain(add.s(1, 2), partials, pair.s());
same<typeof inner, Signature<[], string>>(true);
const one = chain(add.s(1, 2), group(text.s()));
same<typeof one, Signature<[], string>>(true);
const oneOfList = chain(add.s(1, 2), group([text.s()]));
same<typeof oneOfList, GroupSignature<[], [string], 'end'>>(true);
const kept = both.pipe(group(pair.s()));
same<typeof kept, GroupSignature<[], [string], 'end'>>(true);
const keptInChain = chain(both, group(pair.s()));
same<typeof keptInChain, GroupSignature<[], [string], 'end'>>(true);
chain(both, group(pair.s()), task('ones', (each: [string]) => each).s());
// @ts-expect-error a group of one stays a list where it is the body of the group that the chain begins with
chain(both, group(pair.s()), task('text', (each: string) => each).s());
// @ts-expect-error the list is not one of numbers
both.pipe(sum.s());
// @ts-expect-error the same in a chain
chain(add.s(1, 2), partials, sum.s());

// A chord's body takes the tuple of its header's results.
const chorded = chord([add.s(1, 2), text.s(3)], pair.s());
same<typeof chorded, Signature<[], string>>(true);
const called = chord([1, 2].map((n) => add.s(n)))(sum.s());
same<typeof called, Signature<[number], number>>(true);
const outer = chord([chord([add.s(1, 2), add.s(3, 4)], sum.s()), text.s(1)], pair.s());
same<typeof outer, Signature<[], string>>(true);
const overGroups = chord(both, group(pair.s(), pair.s()));
same<typeof overGroups, GroupSignature<[], [string, string], 'end'>>(true);
const single = chord(add.s(1, 2), sum.s());
same<typeof single, Signature<[], number>>(true);
const middle = chain(add.s(1, 2), chord([add.s(1), text.s()], pair.s()));
same<typeof middle, Signature<[], string>>(true);
// @ts-expect-error a body of the wrong type
chord([add.s(1, 2), add.s(3, 4)], pair.s());
// @ts-expect-error a body that lacks nothing
chord([add.s(1, 2)], sum.s([1]));
// @ts-expect-error the same, given later
chord([add.s(1, 2), text.s(3)])(sum.s());

// Maps.
same<typeof mapped, ImmutableSignature<string[]>>(true);
const mapped = map(text, [1, 2]);
same<typeof starred, ImmutableSignature<number[]>>(true);
const starred = starmap(add, [[1, 2]]);
const parts = chunks(add, [[1, 2]], 10);
void parts.delay().then(async (result) => {
  const values = await result.get();
  same<typeof values, number[][]>(true);
});
chain(text.s(1), map(text, [1]), anything.s());
// @ts-expect-error items of the wrong type
map(text, ['1']);
// @ts-expect-error lists that are no arguments of the task
starmap(add, [[1]]);
// @ts-expect-error the same in chunks
chunks(add, [['1', 2]], 5);

// Stamps, ids and links keep the types.
same<typeof stamped, Signature<[number], string>>(true);
const stamped = partial.stamp({ tenant: 'acme' }).freeze().set({ queue: 'q' }).onError(anything.s());
// @ts-expect-error a visitor without its main hook is no visitor, and hooks are no stamps by accident
partial.stamp({ onSignature: 5 } satisfies import('../../src/task/index.ts').StampVisitor);
const loose: Signature<[], unknown> = add.s(1, 2);
void loose;
add.s(1, 2).link(partials);
// @ts-expect-error a canvas as a callback is checked too
add.s(1, 2).link(chorded);
