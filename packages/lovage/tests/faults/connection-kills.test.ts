// The worker's line is cut 100 times while tasks flow: no task is lost and the worker never goes deaf.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { startProxy } from '../support/proxy.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';

const CUTS = 100;
const cases = [
  ['Redis', redisUrl, {}],
  ["Redis with Celery's unacked entries", redisUrl, { redisInFlight: 'celery' }],
  ['RabbitMQ', amqpUrl, {}],
] as const;

test.each(cases)('%s: 100 cuts, nothing lost, nobody deaf', async (name, url, settings) => {
  await using proxy = await startProxy(url());
  const queue = `cuts-${process.pid}-${name.replaceAll(/\W+/g, '-')}`;
  const common = { taskDefaultQueue: queue, resultBackend: redisUrl(), resultExpires: 300, ...settings };
  const sender = new Lovage('cuts', { ...common, brokerUrl: url() });
  const app = new Lovage('cuts', { ...common, brokerUrl: proxy.url(url()) });
  const runs = new Map<number, number>();
  app.task('cuts.note', async (n: number) => {
    await delay(2);
    runs.set(n, (runs.get(n) ?? 0) + 1);
    return n;
  });
  const worker = await startWorker(app, { concurrency: 10, hostname: `cuts@${process.pid}` });
  try {
    const sent: Promise<unknown>[] = [];
    for (let round = 0; round < CUTS; round++) {
      const results = await Promise.all(
        Array.from({ length: 5 }, (_, index) => sender.sendTask('cuts.note', { args: [round * 5 + index] })),
      );
      sent.push(...results.map((result) => result.get({ timeout: 90 })));
      // Some of the work goes on before the cut, at a point of its own each round.
      await delay(Math.random() * 30);
      proxy.cut();
    }
    const values = await Promise.all(sent);
    expect(values).toEqual(Array.from({ length: CUTS * 5 }, (_, n) => n));
    expect(runs.size).toBe(CUTS * 5);
    const last = await sender.sendTask('cuts.note', { args: [-1] });
    expect(await last.get({ timeout: 30 })).toBe(-1);
  } finally {
    await worker.stop();
    await app.close();
    await sender.close();
  }
});
