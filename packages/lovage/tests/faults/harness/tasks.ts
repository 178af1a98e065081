// The tasks of the ledger workload.
import { setTimeout as delay } from 'node:timers/promises';
import type { Lovage, TaskContext } from '../../../src/index.ts';
import { type Appender, openAppender, RUNS, runLine } from './ledger.ts';
import type { Orders } from './orders.ts';

/** What every task returns: which execution it was, so that a second accepted result shows. */
export interface Returned {
  readonly attempt: number;
  readonly worker: string;
  readonly time: number;
}

async function noted(log: Appender, orders: Orders, ctx: TaskContext, work: () => void | Promise<void>): Promise<Returned> {
  const { id, attempts } = ctx.request;
  const worker = `${orders.name}/${process.pid}`;
  log.append([runLine('start', id, attempts, worker)]);
  await work();
  log.append([runLine('end', id, attempts, worker)]);
  return { attempt: attempts, worker, time: Date.now() };
}

export function defineTasks(app: Lovage, orders: Orders): void {
  const log = openAppender(orders.folder, RUNS);
  app.task('fault.work', { bind: true }, (ctx: TaskContext, ms: number) => noted(log, orders, ctx, () => delay(ms)));
  // Is over at once, so that of a chain of them several run in one place.
  app.task('fault.step', { bind: true }, (ctx: TaskContext) => noted(log, orders, ctx, () => undefined));
  // Is long only where it starts first: what comes back is quick, so that the moments of its starts tell when it was taken over.
  app.task('fault.once', { bind: true }, (ctx: TaskContext, ms: number) =>
    noted(log, orders, ctx, () => delay(ctx.request.attempts === 1 ? ms : 10)),
  );
  // Computes without a pause, as a careless task does.
  app.task('fault.block', { bind: true }, (ctx: TaskContext, ms: number) =>
    noted(log, orders, ctx, () => {
      const until = performance.now() + ms;
      while (performance.now() < until);
    }),
  );
}
