// What a declared task promises at compile time. Nothing here runs: tsc fails when a line that must not compile does.
import { z } from 'zod';
import type { DeclareRemote, DeclareTask, Signature } from '../../src/task/index.ts';

declare const task: DeclareTask;
declare const remote: DeclareRemote;

const add = task('add', (x: number, y: number) => x + y);
const charge = task('charge', { bind: true, maxRetries: 5 }, async (ctx, orderId: string, amount?: number) => {
  const id: string = ctx.request.id;
  return { id, orderId, amount };
});

void add.delay(1, 2);
// @ts-expect-error an argument is missing
void add.delay(1);
// @ts-expect-error an argument of the wrong type
void charge.delay(1);
void charge.delay('o-1');
void charge.delay('o-1', 2).then(async (result) => {
  const value: { id: string; orderId: string; amount: number | undefined } = await result.get();
  return value;
});
// @ts-expect-error an unknown option of a task
task('bad', { maxRetrys: 5 }, () => 1);
// @ts-expect-error an unknown option of a call
void add.applyAsync([1, 2], { coutdown: 5 });
const partial: Signature<[number], number> = add.s(5);
void partial.delay(1);
// @ts-expect-error the signature lacks an argument
void partial.delay();
// @ts-expect-error a complete signature takes no result
const complete: Signature<[number], number> = add.s(5, 6);
void complete;
