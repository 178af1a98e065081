// What declared tasks promise at compile time. Nothing here runs: tsc fails when a line that must not compile does.
import { z } from 'zod';
import type { AsyncResult } from '../../src/result/index.ts';
import type {
  DeclareRemote,
  DeclareTask,
  ImmutableSignature,
  Middleware,
  Signals,
  Signature,
  Task,
  TaskContext,
} from '../../src/task/index.ts';

declare const task: DeclareTask;
declare const remote: DeclareRemote;
declare const signals: Signals;

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_proof: Same<A, B>): void => undefined;

// Declaring.
const add = task('add', (x: number, y: number) => x + y);
const resize = task('resize', { queue: 'media' }, async (path: string, width = 320) => ({ path, width }));
const charge = task('charge', { bind: true, maxRetries: 5 }, async (ctx, orderId: string, amount?: number) => {
  same<typeof ctx, TaskContext>(true);
  return { id: ctx.request.id, orderId, amount };
});
const total = task('total', (...numbers: number[]) => numbers.length);
const nothing = task('nothing', () => undefined);
same<typeof add, Task<[x: number, y: number], number>>(true);
same<typeof resize, Task<[path: string, width?: number | undefined], { path: string; width: number }>>(true);
// @ts-expect-error an option that no task has
task('bad', { maxRetrys: 5 }, () => 1);
// @ts-expect-error an option of the wrong type
task('bad', { maxRetries: 'many' }, () => 1);
// @ts-expect-error an option of calls
task('bad', { countdown: 5 }, () => 1);
// @ts-expect-error a handler that is no function
task('bad', { onSuccess: 'done' }, () => 1);
// @ts-expect-error no body
task('bad', {});

// Calling.
void add.delay(1, 2);
void resize.delay('a.png');
void resize.delay('a.png', 100);
void charge.delay('o-1');
void total.delay();
void total.delay(1, 2, 3);
// @ts-expect-error an argument is missing
void add.delay(1);
// @ts-expect-error one argument too many
void add.delay(1, 2, 3);
// @ts-expect-error the wrong type
void add.delay(1, '2');
// @ts-expect-error the context is not an argument of calls
void charge.delay({} as TaskContext, 'o-1');
void add.applyAsync([1, 2], { countdown: 5, queue: 'q', link: add.s(3) });
// @ts-expect-error a wrong argument
void add.applyAsync([1], {});
// @ts-expect-error an option that no call has
void add.applyAsync([1, 2], { coutdown: 5 });
// @ts-expect-error an option of the wrong type
void add.applyAsync([1, 2], { countdown: '5' });
// @ts-expect-error eta is not for runs in place
void add.apply([1, 2], { eta: new Date() });
same<ReturnType<typeof add>, Promise<number>>(true);
// @ts-expect-error calling it checks too
void add('1', 2);

// Results.
same<Awaited<ReturnType<typeof resize.delay>>, AsyncResult<{ path: string; width: number }>>(true);
void add.delay(1, 2).then(async (result) => {
  const value: number = await result.get({ timeout: 1 });
  // @ts-expect-error the value is a number
  const text: string = await result.get();
  const either: number | Error = await result.get({ propagate: false });
  // @ts-expect-error without propagate it may be an error
  const sure: number = await result.get({ propagate: false as boolean });
  return [value, text, either, sure];
});

// Signatures.
same<ReturnType<typeof add.si>, ImmutableSignature<number>>(true);
const needsOne: Signature<[number], number> = add.s(5);
const needsTwo: Signature<[number, number], number> = add.s();
void needsOne.delay(1);
void needsTwo.with(1, 2).delay();
// @ts-expect-error the signature lacks an argument
void needsOne.delay();
// @ts-expect-error it lacks a number
void needsOne.delay('1');
// @ts-expect-error it lacks nothing more
void needsOne.with(1).delay(2);
// @ts-expect-error arguments that fit no place
add.s('1', 2);
// @ts-expect-error an unknown option
add.s(1, 2).set({ queu: 'q' });
// @ts-expect-error a signature is not changed in place
needsOne.immutable = true;
// @ts-expect-error a complete signature does not take a result
const wrong: Signature<[number], number> = add.s(5, 6);
void wrong;

// Links.
add.s(1, 2).link(add.s(3)).link(add.si(1, 2));
add.s(1, 2).link(total.s(1));
resize.s('a.png').link(remote('py.store').s('extra'));
// @ts-expect-error the result is a number, the task wants a text
add.s(1, 2).link(charge.s());
// @ts-expect-error a complete signature would get one argument too many
add.s(1, 2).link(add.s(3, 4));
// @ts-expect-error a signature that lacks two
add.s(1, 2).link(add.s());
// @ts-expect-error the same in the options of a call
void add.applyAsync([1, 2], { link: charge.s() });
add.s(1, 2).linkError(nothing.si());

// Schemas.
const order = task('order', { input: [z.string(), z.coerce.number<string>()] }, (id, amount) => {
  same<typeof id, string>(true);
  same<typeof amount, number>(true);
  return amount;
});
void order.delay('o-1', '12');
// @ts-expect-error callers give what goes into the schema
void order.delay('o-1', 12);
const payload = task('payload', { bind: true, input: z.object({ id: z.string() }) }, (ctx, { id }) => `${ctx.name} ${id}`);
void payload.delay({ id: 'x' });
// @ts-expect-error a wrong payload
void payload.delay({ id: 5 });
const out = task('out', { output: z.object({ n: z.number().transform(String) }) }, (n: number) => ({ n }));
same<typeof out, Task<[n: number], { n: string }>>(true);
// @ts-expect-error the body returns what the schema refuses
task('bad', { output: z.object({ n: z.number() }) }, () => ({ n: 'x' }));

// Tasks elsewhere.
const far = remote<typeof resize>('shop.resize');
same<Awaited<ReturnType<typeof far.delay>>, AsyncResult<{ path: string; width: number }>>(true);
void remote<(x: number) => string>('py.task').delay(1);
void remote('py.any').delay(1, 'x', {});
// @ts-expect-error a wrong argument of a task elsewhere
void far.delay(5);
// @ts-expect-error its code is not here
void far.apply(['a.png']);

// The context.
task('steered', { bind: true }, (ctx, n: number): number => {
  if (n === 1) return ctx.retry({ countdown: 5 });
  if (n === 2) return ctx.reject('no', { requeue: true });
  if (n === 3) return ctx.ignore();
  // @ts-expect-error an option that no retry has
  ctx.retry({ coutdown: 5 });
  // @ts-expect-error the request is not changed
  ctx.request.retries = 0;
  return ctx.retry({ throw: false }).call.args.length;
});

// Signals and middleware.
signals.on('task_postrun', ({ state, value }) => {
  same<typeof state, string>(true);
  void value;
});
signals.taskFailure.connect(({ error, origin }) => void [error, origin], { sender: 'add' });
// @ts-expect-error an unknown signal
signals.on('task_postrunn', () => undefined);
// @ts-expect-error a payload has no such field
signals.on('taskSuccess', ({ oops }) => void oops);
// @ts-expect-error a middleware gives the value on
const lost: Middleware = { name: 'lost', execute: (_context, _next) => undefined };
void lost;
