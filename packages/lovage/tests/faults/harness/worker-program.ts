// A worker of a fault run, as a process of its own. Says `ready`; ends in good order at `stop` or SIGTERM.
import { Lovage } from '../../../src/index.ts';
import { configureLogging, startWorker } from '../../../src/worker/index.ts';
import { readOrders, say } from './orders.ts';
import { defineTasks } from './tasks.ts';

const orders = readOrders();
await configureLogging({ level: 'INFO' });
const app = new Lovage('faults', orders.settings);
defineTasks(app, orders);
if (orders.tasks !== undefined) {
  const more = (await import(orders.tasks)) as { default(app: Lovage, given: typeof orders): void };
  more.default(app, orders);
}
const worker = await startWorker(app, { hostname: orders.name, concurrency: orders.concurrency ?? 10 });

async function stop(): Promise<void> {
  await worker.stop();
  await app.close();
  process.exit(0);
}

process.once('SIGTERM', () => void stop());
process.stdin.once('end', () => void stop()).on('data', () => undefined);
say('ready');
// A worker that gives up ends its program, as `lovage worker` does.
process.exitCode = await worker.closed;
