// A task with an eta outlives every worker: it waits in the broker, and a worker that starts later runs it on time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-eta-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cases = [
  ['memory', () => 'memory://eta', () => 'memory://eta'],
  ['SQLite', () => `sqlite://${join(folder, 'eta.db')}`, () => `sqlite://${join(folder, 'eta.db')}`],
  ['Redis', redisUrl, redisUrl],
  ['RabbitMQ', amqpUrl, redisUrl],
] as const;

test.each(cases)('%s: parked, the worker dies, the next one runs it at its eta', async (name, broker, backend) => {
  const settings = {
    brokerUrl: broker(),
    resultBackend: backend(),
    taskDefaultQueue: `eta-${process.pid}-${name}`,
    resultExpires: 300,
  };
  const app = new Lovage('eta', settings);
  app.task('eta.when', () => Date.now() / 1000);
  const first = await startWorker(app, { concurrency: 2, hostname: `first-${name}@eta` });
  const due = Date.now() / 1000 + 7;
  const result = await app.sendTask('eta.when', { eta: new Date(due * 1000) });
  await first.stop();
  const second = await startWorker(app, { concurrency: 2, hostname: `second-${name}@eta` });
  try {
    const ran = (await result.get({ timeout: 30 })) as number;
    expect(ran).toBeGreaterThanOrEqual(due - 0.05);
    expect(ran).toBeLessThan(due + 3);
  } finally {
    await second.stop();
    await app.close();
  }
});
