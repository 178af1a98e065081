// The command that makes the slots of a pool anew. The pool here is ready again when the test says so.
import { expect, it } from 'vitest';
import { Lovage } from '../../../src/app/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { type Bootstep, startWorker, type WorkerHost } from '../../../src/worker/index.ts';

it('is answered when it begins, as Celery does, and not when the new slots have loaded the app', async () => {
  const url = `memory://${uuid()}`;
  await using app = new Lovage('shop', { brokerUrl: url, resultBackend: url, workerPoolRestarts: true }, { environment: {} });
  const loaded = Promise.withResolvers<void>();
  let restarts = 0;
  const restart = (): Promise<void> => {
    restarts++;
    return loaded.promise;
  };
  const slow: Bootstep<WorkerHost> = {
    name: 'slow',
    requires: ['pool'],
    start: async ({ pool }) => void Object.assign(pool ?? {}, { restart }),
  };
  await using _ = await startWorker(app, { hostname: 'w1@box', steps: [slow] });
  expect(await app.control.poolRestart({ wait: true, timeout: 2 })).toEqual({ 'w1@box': { ok: 'reload started' } });
  expect(restarts).toBe(1);
  loaded.resolve();
});
