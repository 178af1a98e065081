// A task that kills whoever runs it, until the ledger's folder has an antidote.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Lovage, TaskContext } from '../../../src/index.ts';
import { openAppender, RUNS, runLine } from '../harness/ledger.ts';
import type { Orders } from '../harness/orders.ts';

export const ANTIDOTE = 'antidote';

export default function define(app: Lovage, orders: Orders): void {
  const log = openAppender(orders.folder, RUNS);
  const worker = `${orders.name}/${process.pid}`;
  app.task('fault.poison', { bind: true }, (ctx: TaskContext) => {
    const { id, attempts } = ctx.request;
    log.append([runLine('start', id, attempts, worker)]);
    if (!existsSync(join(orders.folder, ANTIDOTE))) process.kill(process.pid, 'SIGKILL');
    log.append([runLine('end', id, attempts, worker)]);
    return { attempt: attempts, worker, time: Date.now() };
  });
}
