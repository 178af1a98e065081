// A worker in a process of its own that is killed when it is about to make the message of a task: after it has counted the last part of a
// chord, and before anybody sends its body. SETTINGS are those of its app, VICTIM is the task.
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';

const { SETTINGS = '{}', VICTIM = '' } = process.env;
const app = new Lovage('shop', JSON.parse(SETTINGS), { environment: {} });
app.task('double', (x: number) => 2 * x);
app.task('fail', (..._: unknown[]) => {
  throw new RangeError('boom');
});
app.use({
  name: 'death',
  publish: (call, next) => {
    if (call.task === VICTIM) process.kill(process.pid, 'SIGKILL');
    return next(call);
  },
});
await startWorker(app, { concurrency: 4 });
process.stdout.write('ready\n');
