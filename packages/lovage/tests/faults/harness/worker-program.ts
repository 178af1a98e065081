// A worker of a fault run, as a process of its own, with the signals and exit codes of `lovage worker`. Says `ready`; ends in good order
// when its standard input ends.
import { Lovage } from '../../../src/index.ts';
import { runWorkerProgram } from '../../../src/worker/index.ts';
import { readOrders, say } from './orders.ts';
import { defineTasks } from './tasks.ts';

const orders = readOrders();
const app = new Lovage('faults', orders.settings);
defineTasks(app, orders);
if (orders.tasks !== undefined) {
  const more = (await import(orders.tasks)) as { default(app: Lovage, given: typeof orders): void };
  more.default(app, orders);
}
app.signals.workerReady.connect(() => say('ready'));
process.stdin.once('end', () => process.kill(process.pid, 'SIGTERM')).on('data', () => undefined);
const { name: hostname, concurrency = 10, pool = 'async' } = orders;
const code = await runWorkerProgram(app, {
  hostname,
  concurrency,
  pool,
  banner: false,
  logging: { level: 'INFO', format: 'text' },
});
await app.close();
process.exit(code);
