// A worker that is told to stop while its broker and its result store are dead, gone or silent: it leaves when its time is over.
import { describe, expect, test } from 'vitest';
import { startWorker, WORKER_EXIT } from '../../../src/worker/index.ts';
import { startFaultProxy } from '../../faults/harness/proxy.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { soon } from '../../support/worker-app.ts';
import { setup } from './places.ts';

const SHUTDOWN = 0.2;
/** Seconds beyond that: for tasks that heed their signal and cannot be settled, and for lines that cannot be closed; the rest is the machine's. */
const PATIENCE = 2 + 1;

interface Wire extends AsyncDisposable {
  url(original: string): string;
  die(): void;
  revive(): void;
}

async function gone(url: string): Promise<Wire> {
  const wire = await startProxy(url);
  const die = (): void => {
    wire.refuse();
    wire.cut();
  };
  return { url: wire.url, die, revive: () => wire.refuse(false), [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose]() };
}

async function silent(url: string): Promise<Wire> {
  const wire = await startFaultProxy(url);
  return {
    url: (original) => wire.url(original),
    die: () => wire.freeze(),
    revive: () => wire.thaw(),
    [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
  };
}

describe.concurrent.each([
  ['Redis', redisUrl, 'gone', gone],
  ['Redis', redisUrl, 'silent', silent],
  ['RabbitMQ', amqpUrl, 'gone', gone],
  ['RabbitMQ', amqpUrl, 'silent', silent],
] as const)('with %s', (_, url, how, start) => {
  test.each(['runs a task', 'is idle'])(`that is ${how} a worker that %s leaves in time`, async (what) => {
    await using broker = await start(url());
    await using results = await start(redisUrl());
    const urls = () => ({ brokerUrl: broker.url(url()), resultBackend: results.url(redisUrl()) });
    const s = await setup(urls, { shutdownTimeout: SHUTDOWN, workerSendTaskEvents: true });
    const aborted = ({ signal }: { readonly signal: AbortSignal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const task = s.app.task('endless', { bind: true, params: [] }, aborted);
    const worker = await startWorker(s.app, { mingle: false });
    const busy = what !== 'is idle';
    if (busy) await task.delay();
    await soon(() => expect(worker.host?.pool?.running).toBe(busy ? 1 : 0));
    for (const wire of [broker, results]) wire.die();
    const began = performance.now();
    await worker.stop();
    expect((performance.now() - began) / 1000).toBeLessThan(SHUTDOWN + PATIENCE);
    expect(await worker.closed).toBe(busy ? WORKER_EXIT.interrupted : WORKER_EXIT.clean);
    for (const wire of [broker, results]) wire.revive();
    await s[Symbol.asyncDispose]();
  });
});
