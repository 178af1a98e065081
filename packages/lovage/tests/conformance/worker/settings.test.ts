// Settings of the way to a broker, with a whole worker on real servers and on a server that says nothing.
import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../../../../../scripts/servers/index.ts';
import { Lovage } from '../../../src/app/index.ts';
import { deadLetterQueue } from '../../../src/broker/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { soon } from '../../support/worker-app.ts';
import { places, setup } from './places.ts';

const each = places.filter(([name]) => ['memory', 'sqlite, one file', 'redis', 'amqp with redis'].includes(name));

/** Port of a server that accepts and is silent. */
async function silence(): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => socket.destroy())));
  const port = await freePorts();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return port;
}

describe.each(each)('dead letters on %s', (_, place) => {
  const letters = async (settings: { readonly deadLettersMaxLength?: number; readonly deadLettersTtl?: number }) => {
    const s = await setup(place, settings);
    onTestFinished(() => s[Symbol.asyncDispose]());
    await using _worker = await startWorker(s.app, { concurrency: 1 });
    const ids: string[] = [];
    for (let sent = 0; sent < 4; sent++) {
      const result = await s.app.sendTask('nobody.knows');
      await result.get({ timeout: 20, propagate: false });
      ids.push(result.id);
    }
    await soon(async () => expect(await s.counts()).toMatchObject({ ready: 0 }), 20_000);
    const broker = await s.app.openBroker('read');
    const kept = async () => (await broker.peek(deadLetterQueue(s.queue), 10)).map(({ headers }) => headers.id);
    const count = async () => (await s.counts()).dead;
    return { ids, kept, count };
  };

  it('are as many as deadLettersMaxLength says, the newest', async () => {
    const { ids, kept } = await letters({ deadLettersMaxLength: 2 });
    await soon(async () => expect(await kept()).toEqual(ids.slice(2)), 20_000);
  });

  it('are kept for as long as deadLettersTtl says', async () => {
    const { count } = await letters({ deadLettersTtl: 2 });
    await soon(async () => expect(await count()).toBe(0), 30_000);
  }, 60_000);
});

describe.each([
  ['redis', (port: number) => `redis://127.0.0.1:${port}/0`],
  ['amqp', (port: number) => `amqp://127.0.0.1:${port}`],
] as const)('brokerConnectionTimeout on %s', (_, url) => {
  it('is how long a worker waits for a server that says nothing', async () => {
    const settings = { brokerUrl: url(await silence()), resultBackend: 'disabled://' };
    const limits = { brokerConnectionTimeout: 0.3, brokerConnectionRetryOnStartup: false };
    await using app = new Lovage('shop', { ...settings, ...limits }, { environment: {} });
    await expect(startWorker(app)).rejects.toThrow(/0\.3 s/);
  });
});

it('brokerConnectionRetry off ends a worker that lost RabbitMQ', async () => {
  await using wire = await startProxy(amqpUrl());
  const place = () => ({ brokerUrl: amqpUrl(), brokerReadUrl: wire.url(amqpUrl()), resultBackend: redisUrl() });
  await using s = await setup(place, { brokerConnectionRetry: false });
  await using worker = await startWorker(s.app);
  wire.cut();
  expect(await worker.closed).toBe(1);
  expect(worker.failure?.message).toContain('brokerConnectionRetry is off');
});

it('brokerFailoverStrategy and a list of addresses find the RabbitMQ that answers', async () => {
  const brokerUrl = [`amqp://127.0.0.1:${await freePorts()}`, amqpUrl()];
  const asked: (readonly string[])[] = [];
  const brokerFailoverStrategy = (urls: readonly string[]) => {
    asked.push(urls);
    return urls;
  };
  await using s = await setup(() => ({ brokerUrl, resultBackend: redisUrl() }), { brokerFailoverStrategy });
  const fine = s.app.task('fine', () => 'fine');
  await using _worker = await startWorker(s.app);
  expect(await (await fine.delay()).get({ timeout: 20 })).toBe('fine');
  expect(asked[0]).toEqual(brokerUrl);
});
