// Events between the languages, on Redis and RabbitMQ: Python's receiver, its state and `celery events --dump` see a Lovage worker, and
// Lovage sees a Python worker.
import { expect, test } from 'vitest';
import { Lovage } from '../../src/index.ts';
import { uuid } from '../../src/util/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { type PeerOptions, startPythonProgram, startPythonWorker } from './peer.ts';

interface Bench extends AsyncDisposable {
  readonly app: Lovage;
  readonly peers: PeerOptions;
  readonly pyQueue: string;
  /** Node name of the Lovage worker. */
  readonly node: string;
}

const brokers = [
  ['Redis', redisUrl],
  ['RabbitMQ', amqpUrl],
] as const;

async function start(url: string): Promise<Bench> {
  const prefix = `events-${process.pid}-${uuid().slice(0, 6)}`;
  const [jsQueue, pyQueue, exchange] = [`${prefix}.js`, `${prefix}.py`, `${prefix}.ev`];
  const settings = { brokerUrl: url, resultBackend: redisUrl(), taskDefaultQueue: jsQueue, resultExpires: 300 };
  const app = new Lovage('events', { ...settings, jsonTypes: 'plain', eventExchange: exchange, taskSendSentEvent: true });
  const peers = { broker: url, backend: redisUrl(), prefix, queues: [pyQueue], variables: { INTEROP_EVENTS: exchange } };
  return { app, peers, pyQueue, node: `${prefix}@js`, [Symbol.asyncDispose]: () => app.close() };
}

interface Told {
  readonly type: string;
  readonly uuid?: string;
  readonly hostname: string;
  readonly [key: string]: unknown;
}

test.each(brokers)("on %s Python's receiver and state see a Lovage worker and its tasks", async (_, url) => {
  await using bench = await start(url());
  const { app, peers, node } = bench;
  const join = app.task('js.join', (...parts: unknown[]) => parts.join('|'));
  const fail = app.task('js.fail', { bind: true, maxRetries: 1 }, (ctx, message: string) => {
    if (ctx.request.retries === 0) ctx.retry({ countdown: 0, error: new TypeError(message) });
    ctx.sendEvent('task-nearly', { step: 2 });
    throw new RangeError(message);
  });
  await using monitor = startPythonProgram(['monitor.py'], peers);
  await monitor.until((line) => line === '"ready"');
  const heard = (check: (told: Told) => boolean): Promise<Told> =>
    monitor.until((line) => line !== '"ready"' && check(JSON.parse(line) as Told)).then((line) => JSON.parse(line) as Told);
  const worker = await startWorker(app, { hostname: node, taskEvents: true, heartbeatInterval: 1 });
  const good = await join.delay('x', 1, null, true);
  const bad = await fail.delay("it's bad");
  expect(await heard((told) => told.type === 'task-succeeded' && told.uuid === good.id)).toMatchObject({
    ...{ state: 'SUCCESS', name: 'js.join', args: "('x', 1, None, True)", kwargs: '{}', result: "'x|1||true'", worker: node },
    ...{ root: good.id, retries: 0, local: true, alive: true },
  });
  expect(await heard((told) => told.type === 'task-retried' && told.uuid === bad.id)).toMatchObject({
    ...{ state: 'RETRY', exception: "TypeError('it\\'s bad')" },
  });
  expect(await heard((told) => told.type === 'task-nearly')).toMatchObject({ worker: node });
  expect(await heard((told) => told.type === 'task-failed' && told.uuid === bad.id)).toMatchObject({
    ...{ state: 'FAILURE', exception: "RangeError('it\\'s bad')", retries: 1 },
  });
  expect(await heard((told) => told.type === 'worker-heartbeat' && told.hostname === node && told.processed === 3)).toMatchObject(
    {
      ...{ alive: true, active: 0, ident: 'lovage', freq: 1 },
    },
  );
  await worker.stop();
  expect(await heard((told) => told.type === 'worker-offline' && told.hostname === node)).toBeDefined();
});

test.each(brokers)('on %s `celery events --dump` prints what a Lovage worker tells', async (_, url) => {
  await using bench = await start(url());
  const { app, peers, node } = bench;
  const add = app.task('js.add', (x: number, y: number) => x + y);
  await using dump = startPythonProgram(['-m', 'celery', '-A', 'dumped', 'events', '--dump'], peers);
  await dump.until((line) => line.includes('starting capture'));
  await using _worker = await startWorker(app, { hostname: node, taskEvents: true, heartbeatInterval: 0.5 });
  await dump.until((line) => line.startsWith(node) && line.includes('heartbeat'));
  const { id } = await add.delay(2, 3);
  const line = await dump.until((text) => text.includes('task succeeded') && text.includes(id));
  expect(line).toMatch(
    new RegExp(`^${node} \\[.*\\] task succeeded: js\\.add\\(${id}\\) args=\\(2, 3\\) kwargs=\\{\\} .*result=5`),
  );
});

test.each(brokers)('on %s Lovage sees a Python worker and its tasks', async (_, url) => {
  await using bench = await start(url());
  const { app, peers, pyQueue } = bench;
  await using live = await app.events.state();
  await using _worker = await startPythonWorker({ ...peers, module: 'dumped', options: ['-E', '--heartbeat-interval', '1'] });
  const node = `${peers.prefix}@py`;
  const echo = await app.sendTask('py.echo', { args: ['hé'], queue: pyQueue });
  const fail = await app.sendTask('py.fail', { args: ['bad'], queue: pyQueue });
  expect(await echo.get({ timeout: 30 })).toBe('hé');
  await expect.poll(() => live.state.task(echo.id)?.state, { timeout: 20_000 }).toBe('SUCCESS');
  await expect.poll(() => live.state.task(fail.id)?.state, { timeout: 20_000 }).toBe('FAILURE');
  // The queue is told by who sent it, on a way of its own.
  await expect
    .poll(() => live.state.task(echo.id), { timeout: 20_000 })
    .toMatchObject({ name: 'py.echo', worker: node, args: "('hé',)", result: "'hé'", queue: pyQueue });
  expect(live.state.task(fail.id)).toMatchObject({ exception: "ValueError('bad')" });
  await expect.poll(() => live.state.worker(node)?.swIdent, { timeout: 20_000 }).toBe('py-celery');
  expect(live.state.aliveWorkers().map(({ hostname }) => hostname)).toContain(node);
});
