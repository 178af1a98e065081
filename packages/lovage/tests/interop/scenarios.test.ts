// Hundreds of canvases that a Celery client makes, all on their way at once, on Lovage workers (python/scenarios.py says what each gives).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { startPythonClient } from './peer.ts';
import { declareScenarioTasks } from './scenario-tasks.ts';

test.each(['Redis', 'RabbitMQ'] as const)('every canvas that Celery makes ends as it should, on %s', async (broker) => {
  const prefix = `scenarios-${process.pid}-${broker.toLowerCase()}`;
  const [brokerUrl, backend] = [broker === 'Redis' ? redisUrl() : amqpUrl(), redisUrl()];
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'lovage-scenarios-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'errbacks');
  const settings = {
    brokerUrl,
    resultBackend: backend,
    jsonTypes: 'plain',
    taskDefaultQueue: `${prefix}.js`,
    resultExpires: 300,
  };
  const app = new Lovage('scenarios', settings as ConstructorParameters<typeof Lovage>[1]);
  stack.defer(() => app.close());
  declareScenarioTasks(app, path);
  stack.use(await startWorker(app, { concurrency: 20, hostname: `${prefix}@js` }));
  const py = stack.use(startPythonClient({ broker: brokerUrl, backend, prefix, queues: [`${prefix}.js`, `${prefix}.py`] }));
  const [count, differences] = (await py.run(`import scenarios\nscenarios.differences('${path}')`)) as [number, unknown];
  expect(differences).toEqual([]);
  expect(count).toBeGreaterThan(500);
});
