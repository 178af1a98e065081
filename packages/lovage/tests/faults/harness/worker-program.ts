// A worker of a fault run, as a process of its own, with the signals and exit codes of `lovage worker`. Says `ready`; ends in good order
// when its standard input ends.
import { runWorkerProgram } from 'lovage/worker';
import { app } from './app.ts';
import { readOrders, say } from './orders.ts';

const { name: hostname, concurrency = 10, pool = 'async' } = readOrders();
app.signals.workerReady.connect(() => say('ready'));
process.stdin.once('end', () => process.kill(process.pid, 'SIGTERM')).on('data', () => undefined);
const code = await runWorkerProgram(app, {
  hostname,
  concurrency,
  pool,
  // Where the slots of a pool load it from.
  module: `${import.meta.dirname}/app.ts`,
  banner: false,
  logging: { level: 'INFO', format: 'text' },
});
await app.close();
process.exit(code);
