// What a worker tells about its tasks and itself, on the memory drivers, read from a queue that is bound to the exchange of events.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import type { Delivery } from '../../../src/broker/index.ts';
import { type CeleryEvent, parseEvents } from '../../../src/protocol/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker, type WorkerOptions } from '../../../src/worker/index.ts';

interface Tap extends AsyncDisposable {
  readonly app: Lovage;
  /** Reads events until one of this type (and task) has come; gives all so far. */
  until(type: string, id?: string): Promise<readonly CeleryEvent[]>;
  readonly seen: CeleryEvent[];
  readonly messages: Delivery[];
}

async function tap(settings: SettingsInput = {}): Promise<Tap> {
  const name = uuid();
  const url = `memory://${name}`;
  const app = new Lovage(
    'shop',
    { brokerUrl: url, resultBackend: url, taskDefaultQueue: `q-${name}`, ...settings },
    { environment: {} },
  );
  const broker = await app.openBroker('read');
  await broker.declare({
    exchanges: [{ name: 'celeryev', type: 'topic', durable: true }],
    queues: [{ name: 'tap', durable: false, arguments: {} }],
    bindings: [{ queue: 'tap', exchange: 'celeryev', routingKey: '#' }],
  });
  const subscription = await broker.subscribe(['tap'], { prefetch: 100, node: 'tap', noAck: true });
  const batches = subscription[Symbol.asyncIterator]();
  const seen: CeleryEvent[] = [];
  const messages: Delivery[] = [];
  return {
    app,
    seen,
    messages,
    until: async (type, id) => {
      const isIt = (event: CeleryEvent): boolean =>
        (event.type === type || (event.type === 'custom' && event.name === type)) &&
        (id === undefined || ('uuid' in event && event.uuid === id));
      while (!seen.some(isIt)) {
        const { value = [] } = await batches.next();
        for (const delivery of value) {
          messages.push(delivery);
          seen.push(...parseEvents(JSON.parse(Buffer.from(delivery.body).toString())).events);
        }
      }
      return seen;
    },
    [Symbol.asyncDispose]: async () => {
      await subscription[Symbol.asyncDispose]();
      await app.close();
    },
  };
}

const quiet: WorkerOptions = { hostname: 'w@h', withoutHeartbeat: true, taskEvents: true };
const of = (events: readonly CeleryEvent[], id: string): CeleryEvent[] =>
  events.filter((event) => 'uuid' in event && event.uuid === id);
const types = (events: readonly CeleryEvent[]): string[] => events.map(({ type }) => type);

test('a task that ends well is received, started and succeeded, with what monitors show', async () => {
  await using it = await tap();
  const add = it.app.task('add', (x: number, y: number) => x + y);
  await using _worker = await startWorker(it.app, quiet);
  const { id } = await add.delay(2, 3);
  const events = of(await it.until('task-succeeded', id), id);
  expect(types(events)).toEqual(['task-received', 'task-started', 'task-succeeded']);
  expect(events).toMatchObject([
    {
      hostname: 'w@h',
      pid: process.pid,
      name: 'add',
      args: '(2, 3)',
      kwargs: '{}',
      rootId: id,
      parentId: null,
      retries: 0,
      eta: null,
      expires: null,
    },
    { hostname: 'w@h' },
    { result: '5' },
  ]);
  const clocks = events.map(({ clock }) => Number(clock));
  expect(clocks).toEqual(clocks.map((_, index) => (clocks[0] ?? 0) + index));
  expect(it.messages.every(({ routingKey }) => routingKey === 'task.multi')).toBe(true);
});

test('the result can be read when the event comes', async () => {
  await using it = await tap();
  const answer = it.app.task('answer', () => 42);
  await using _worker = await startWorker(it.app, quiet);
  const result = await answer.delay();
  await it.until('task-succeeded', result.id);
  expect(await it.app.result(result.id).state()).toBe('SUCCESS');
});

test('an error, a retry, a rejection and an ignored task each end a run with one event, or none', async () => {
  await using it = await tap();
  const bad = it.app.task('bad', () => {
    throw new TypeError("it's bad");
  });
  const again = it.app.task('again', { bind: true, maxRetries: 1 }, (ctx) => {
    if (ctx.request.retries === 0) ctx.retry({ countdown: 0, error: new Error('once more') });
    return 'done';
  });
  const refused = it.app.task('refused', { bind: true }, (ctx) => ctx.reject('no'));
  const ignored = it.app.task('ignored', { bind: true }, (ctx) => ctx.ignore());
  await using _worker = await startWorker(it.app, quiet);
  const ids = [await bad.delay(), await refused.delay(), await ignored.delay(), await again.delay()].map(({ id }) => id);
  const [badId = '', refusedId = '', ignoredId = '', againId = ''] = ids;
  await it.until('task-failed', badId);
  await it.until('task-rejected', refusedId);
  await it.until('task-succeeded', againId);
  expect(of(it.seen, badId).at(-1)).toMatchObject({ type: 'task-failed', exception: "TypeError('it\\'s bad')" });
  expect(of(it.seen, badId).at(-1)).toHaveProperty('traceback', expect.stringContaining("it's bad"));
  expect(of(it.seen, refusedId).at(-1)).toMatchObject({ type: 'task-rejected', requeue: false });
  expect(types(of(it.seen, refusedId))).toEqual(['task-received', 'task-started', 'task-rejected']);
  expect(types(of(it.seen, ignoredId))).toEqual(['task-received', 'task-started']);
  expect(types(of(it.seen, againId))).toEqual([
    ...['task-received', 'task-started', 'task-retried'],
    ...['task-received', 'task-started', 'task-succeeded'],
  ]);
  expect(of(it.seen, againId)[2]).toMatchObject({ exception: "Error('once more')" });
});

test('a task that is too late is revoked and was never received; one that nobody knows failed', async () => {
  await using it = await tap();
  const late = it.app.task('late', () => 1);
  const { id } = await late.applyAsync([], { expires: new Date(Date.now() - 1000) });
  const unknown = await it.app.sendTask('nobody.knows');
  await using _worker = await startWorker(it.app, quiet);
  await it.until('task-revoked', id);
  await it.until('task-failed', unknown.id);
  expect(of(it.seen, id)).toMatchObject([{ type: 'task-revoked', expired: true, terminated: false, signum: null }]);
  expect(of(it.seen, unknown.id)).toMatchObject([
    { type: 'task-failed', exception: "NotRegistered('nobody.knows')", traceback: null },
  ]);
});

test.each<[signal: string | number | undefined, signum: number]>([
  [undefined, 15],
  ['SIGTERM', 15],
  ['TERM', 15],
  ['int', 2],
  [9, 9],
])('a task that is terminated with %s tells the number %i', async (signal, signum) => {
  await using it = await tap();
  const held = it.app.task('held', { bind: true }, (ctx) => once(ctx.signal, 'abort'));
  await using _worker = await startWorker(it.app, quiet);
  const { id } = await held.delay();
  await it.until('task-started', id);
  const args = { task_id: id, terminate: true, ...(signal === undefined ? {} : { signal }) };
  await it.app.control.ask('revoke', args, { limit: 1 });
  await it.until('task-revoked', id);
  expect(of(it.seen, id).at(-1)).toMatchObject({ type: 'task-revoked', terminated: true, expired: false, signum });
});

test('a task may veto its events, and send some of its own', async () => {
  await using it = await tap();
  const secret = it.app.task('secret', { bind: true, sendEvents: false }, (ctx) => {
    ctx.sendEvent('task-progress', { step: 1 });
    expect(() => ctx.sendEvent('Nonsense')).toThrow('not a type of an event');
  });
  await using _worker = await startWorker(it.app, quiet);
  const result = await secret.delay();
  await result.get({ timeout: 5 });
  await it.until('task-progress');
  expect(it.seen).toMatchObject([
    { type: 'custom', name: 'task-progress', hostname: 'w@h', uuid: result.id, fields: { step: 1 } },
  ]);
  expect(it.messages[0]?.routingKey).toBe('task.progress');
});

test('a worker says that it is there, how it is, and that it goes', async () => {
  await using it = await tap();
  const one = it.app.task('one', () => 1);
  const beats: string[] = [];
  it.app.signals.on('heartbeatSent', ({ hostname }) => void beats.push(hostname));
  const worker = await startWorker(it.app, { hostname: 'w@h', heartbeatInterval: 0.05 });
  const result = await one.delay();
  await result.get({ timeout: 5 });
  await it.until('worker-heartbeat');
  await worker.stop();
  await it.until('worker-offline');
  expect(it.seen[0]).toMatchObject({
    type: 'worker-online',
    freq: 0.05,
    active: 0,
    processed: 0,
    swIdent: 'lovage',
    swSys: 'Linux',
  });
  expect(it.seen.at(-1)).toMatchObject({ type: 'worker-offline', processed: 1 });
  expect(it.seen[0]).toHaveProperty('loadavg', [expect.any(Number), expect.any(Number), expect.any(Number)]);
  expect(types(it.seen).some((type) => type.startsWith('task-'))).toBe(false);
  expect(beats.length).toBeGreaterThanOrEqual(3);
});

test('a worker without heartbeats and task events sends nothing, and has no events to switch', async () => {
  await using it = await tap();
  const one = it.app.task('one', () => 1);
  const worker = await startWorker(it.app, { withoutHeartbeat: true });
  await (await one.delay()).get({ timeout: 5 });
  await worker.stop();
  expect(it.seen).toEqual([]);
  expect(worker.info()).not.toHaveProperty('events');
});

test('the setting taskSendSentEvent tells of each task that was sent', async () => {
  await using it = await tap({ taskSendSentEvent: true });
  const add = it.app.task('add', (x: number, y: number) => x + y);
  const [plain, careful] = [await add.delay(1, 2), await add.applyAsync([3, 4], { countdown: 60 })];
  await it.until('task-sent', plain.id);
  await it.until('task-sent', careful.id);
  expect(of(it.seen, plain.id)).toMatchObject([
    {
      type: 'task-sent',
      name: 'add',
      args: '(1, 2)',
      kwargs: '{}',
      retries: 0,
      eta: null,
      expires: null,
      queue: it.app.settings.taskDefaultQueue,
      exchange: '',
      routingKey: it.app.settings.taskDefaultQueue,
    },
  ]);
  expect(of(it.seen, careful.id)).toMatchObject([{ args: '(3, 4)', eta: expect.stringMatching(/^\d{4}-/) }]);
  expect(it.seen[0]?.hostname).toMatch(/^gen\d+@/);
});

test('a task that a shutdown stops is cancelled, and runs again', async () => {
  await using it = await tap();
  const running = Promise.withResolvers<void>();
  const slow = it.app.task('slow', { bind: true }, async (ctx) => {
    running.resolve();
    await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)));
  });
  const worker = await startWorker(it.app, { ...quiet, shutdownTimeout: 0 });
  const { id } = await slow.delay();
  await running.promise;
  await worker.stop();
  await it.until('task-cancelled', id);
  expect(types(of(it.seen, id))).toEqual(['task-received', 'task-started', 'task-cancelled']);
});

test('commands switch the events about tasks on and off, and tell the truth about it', async () => {
  await using it = await tap();
  const one = it.app.task('one', () => 1);
  await using _worker = await startWorker(it.app, { hostname: 'w@h' });
  const answer = async (
    asked: Promise<Readonly<Record<string, { readonly ok?: string | undefined }>>>,
  ): Promise<string | undefined> => (await asked)['w@h']?.ok;
  const silent = await one.delay();
  await silent.get({ timeout: 5 });
  expect(await answer(it.app.control.enableEvents({ wait: true }))).toBe('task events enabled');
  expect(await answer(it.app.control.enableEvents({ wait: true }))).toBe('task events already enabled');
  const loud = await one.delay();
  await it.until('task-succeeded', loud.id);
  expect(of(it.seen, silent.id)).toEqual([]);
  expect(await answer(it.app.control.disableEvents({ wait: true }))).toBe('task events disabled');
  expect(await answer(it.app.control.disableEvents({ wait: true }))).toBe('task events already disabled');
});
