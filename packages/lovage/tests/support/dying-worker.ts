// A worker in a process of its own that is killed when it is about to make the message of the task VICTIM: after it has counted the last
// part of a chord, and before anybody sends its body. Some calls of `risky` kill it, too, the first time. SETTINGS are those of its app;
// LOG is the file in which `end` says that it ran.
import { appendFileSync } from 'node:fs';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';

const { SETTINGS = '{}', VICTIM = '', LOG = '' } = process.env;
const app = new Lovage('shop', JSON.parse(SETTINGS), { environment: {} });
app.task('double', (x: number) => 2 * x);
app.task('fail', (..._: unknown[]) => {
  throw new RangeError('boom');
});
app.task('risky', { bind: true }, async (context, x: number) => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  if (x % 10 === 9 && context.request.attempts === 1) process.kill(process.pid, 'SIGKILL');
  return x;
});
if (LOG !== '') {
  app.task('end', (values: unknown) => {
    appendFileSync(LOG, 'ran\n');
    return values;
  });
}
app.use({
  name: 'death',
  publish: (call, next) => {
    if (call.task === VICTIM) process.kill(process.pid, 'SIGKILL');
    return next(call);
  },
});
await startWorker(app, { concurrency: 4 });
process.stdout.write('ready\n');
