// The exact shape of every answer that a worker gives, question by question and command by command, on every kind of broker: monitors
// written for Celery's workers parse these.
import { describe, expect, it } from 'vitest';
import { startWorker } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { places, type Setup, setup } from './places.ts';

const NODE = 'w1@h';
const somewhere = places.filter(([name]) => !name.includes('two files') && !name.includes('unacked'));
type Row = readonly [method: string, args: Readonly<Record<string, unknown>>, reply: unknown];

const number = expect.any(Number) as unknown;
const text = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const unexpected = (method: string): unknown => ({
  error: `TypeError("${method}() got an unexpected keyword argument 'zz'")`,
});

/** One task runs, one waits for the slot, one for its eta. */
async function busy(s: Setup) {
  const endless = s.app.task('shop.endless', { bind: true, params: ['n'] }, async (ctx, n: number) => {
    await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
    return n;
  });
  s.app.task('shop.limited', { rateLimit: '2/s', params: [] }, () => undefined);
  const held = await sendForSoon(s, () => endless.applyAsync([3], { queue: `${s.queue}-other` }));
  const options = { hostname: NODE, mingle: false, concurrency: 1, prefetchMultiplier: 2, pausePoll: 3600 };
  const worker = await startWorker(s.app, options);
  const running = await endless.delay(1);
  await soon(() => expect(worker.host?.pool?.running).toBe(1));
  const waiting = await endless.delay(2);
  await soon(() => expect([...(worker.host?.consumer?.flow.requests ?? [])]).toHaveLength(3));
  const request = (id: string, n: number, starts: boolean) => ({
    id,
    name: 'shop.endless',
    args: [n],
    kwargs: {},
    type: 'shop.endless',
    hostname: NODE,
    time_start: starts ? number : null,
    acknowledged: false,
    delivery_info: { exchange: '', routing_key: s.queue, priority: expect.toSatisfy(isPriority) as unknown, redelivered: false },
    worker_pid: starts ? process.pid : null,
  });
  const requests = {
    running: request(running.id, 1, true),
    waiting: request(waiting.id, 2, false),
    held: request(held.id, 3, false),
  };
  return { worker, ids: { running: running.id, waiting: waiting.id, held: held.id }, requests };
}

/** As a sender does that knows nothing of parking: the eta is in the header alone. */
async function sendForSoon(s: Setup, send: () => Promise<{ readonly id: string }>): Promise<{ readonly id: string }> {
  const sent = await send();
  const aside = s.app.queue(`${s.queue}-other`);
  const [waiting] = await aside.peek();
  await aside.purge();
  if (waiting === undefined) throw new Error('nothing waits');
  const { headersText: _, ...message } = waiting.message as typeof waiting.message & { readonly headersText?: string };
  const headers = { ...message.headers, eta: new Date(Date.now() + 4500).toISOString() };
  const broker = await s.app.openBroker('write');
  await broker.declare(s.app.queues.topology([s.queue]));
  await broker.publish([{ ...message, headers, routingKey: s.queue }], { signal: AbortSignal.timeout(5000) });
  return sent;
}

const isPriority = (value: unknown): boolean => value === null || value === 0;

function questions(queue: string, { ids, requests }: Awaited<ReturnType<typeof busy>>): readonly Row[] {
  const { running, waiting, held } = requests;
  const queueObject = {
    name: queue,
    exchange: {
      name: expect.any(String) as unknown,
      type: 'direct',
      arguments: null,
      durable: true,
      passive: false,
      auto_delete: false,
      delivery_mode: null,
      no_declare: false,
    },
    routing_key: queue,
    queue_arguments: null,
    binding_arguments: null,
    consumer_arguments: null,
    durable: true,
    exclusive: false,
    auto_delete: false,
    no_ack: false,
    alias: null,
    bindings: [],
    no_declare: null,
    expires: null,
    message_ttl: null,
    max_length: null,
    max_length_bytes: null,
    max_priority: null,
  };
  const registered = ['shop.endless', 'shop.limited [rate_limit=2/s]'];
  const scheduled = [{ eta: text(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/), priority: 6, request: held }];
  return [
    ['ping', { anything: 1 }, { ok: 'pong' }],
    ['clock', {}, { clock: number }],
    ['active', {}, [running]],
    ['dump_active', { safe: true }, [{ ...running, args: '(1,)', kwargs: '{}' }]],
    ['reserved', {}, [waiting]],
    ['dump_reserved', {}, [waiting]],
    ['scheduled', {}, scheduled],
    ['dump_schedule', {}, scheduled],
    [
      'query_task',
      { ids: [ids.running, ids.waiting, ids.held, 'unknown'] },
      { [ids.running]: ['active', running], [ids.waiting]: ['reserved', waiting], [ids.held]: ['ready', held] },
    ],
    ['query_task', { ids: ids.running }, { [ids.running]: ['active', running] }],
    ['query_task', {}, { error: `TypeError("query_task() missing 1 required positional argument: 'ids'")` }],
    ['revoked', {}, []],
    ['dump_revoked', {}, []],
    ['registered', {}, registered],
    ['dump_tasks', { taskinfoitems: ['rate_limit'], builtins: true }, expect.arrayContaining(['celery.chord', ...registered])],
    ['active_queues', {}, [queueObject]],
    ['active_queues', { zz: 1 }, unexpected('active_queues')],
    [
      'stats',
      {},
      expect.objectContaining({
        total: { 'shop.endless': 1 },
        pid: process.pid,
        clock: text(/^\d+$/),
        uptime: number,
        prefetch_count: number,
        rusage: expect.objectContaining({ utime: number, maxrss: number, nivcsw: number }) as unknown,
        broker: expect.objectContaining({ transport: expect.any(String) as unknown, alternates: [] }) as unknown,
        pool: expect.objectContaining({
          implementation: 'lovage.pool:async',
          'max-concurrency': 1,
          processes: [process.pid],
          timeouts: [0, 0],
          'put-guarded-by-semaphore': false,
        }) as unknown,
      }),
    ],
    ['conf', {}, expect.objectContaining({ task_default_queue: queue })],
    [
      'dump_conf',
      { with_defaults: true },
      expect.objectContaining({ task_default_queue: queue, worker_prefetch_multiplier: number }),
    ],
    ['report', {}, { ok: text(/^\nsoftware -> lovage:/) }],
    ['memsample', {}, text(/^\d+MB$/)],
    ['memdump', { samples: 2 }, text(/- rss \(sample\):[\s\S]*- rss \(end\): \d+MB\.\n$/)],
    ['objgraph', {}, { error: text(/^ImportError\(/) }],
    ['hello', { from_node: 'other@h', revoked: {} }, { revoked: {}, clock: number }],
    ['hello', { from_node: NODE }, null],
  ];
}

function commands(queue: string): readonly Row[] {
  const other = `${queue}-other`;
  return [
    ['revoke', { task_id: 'a', zz: 1 }, { ok: "tasks {'a'} flagged as revoked" }],
    ['revoke', { task_id: ['a'], terminate: true, signal: 'SIGTERM' }, { ok: 'terminate: tasks unknown' }],
    [
      'revoke',
      { task_id: 'a', terminate: true, signal: 'SIGFOO' },
      { error: `AttributeError("module 'signal' has no attribute 'SIGFOO'")` },
    ],
    ['terminate', { signal: 'SIGTERM', task_id: 'a' }, { ok: 'terminate: tasks unknown' }],
    [
      'revoke_by_stamped_headers',
      { headers: { tenant: ['t1'] } },
      { ok: "headers {'tenant': ['t1']} flagged as revoked, but not terminated" },
    ],
    [
      'revoke_by_stamped_headers',
      { headers: { tenant: ['t1'] }, terminate: true },
      { ok: "headers {'tenant': ['t1']} were not terminated" },
    ],
    // What was said to it alone is not for others to know.
    ['hello', { from_node: 'other@h', revoked: { b: [1.5, 'b'] } }, { revoked: {}, clock: number }],
    ['hello', { from_node: 'third@h', revoked: ['c'] }, { revoked: { b: [number, 'b'] }, clock: number }],
    ['rate_limit', { task_name: 'shop.limited', rate_limit: '5/m' }, { ok: 'new rate limit set successfully' }],
    ['rate_limit', { task_name: 'shop.limited', rate_limit: 0 }, { ok: 'rate limit disabled successfully' }],
    ['rate_limit', { task_name: 'nosuch', rate_limit: '5/m' }, { error: 'unknown task' }],
    ['rate_limit', { task_name: 'shop.limited', rate_limit: '5/x' }, { error: "KeyError('x')" }],
    ['rate_limit', { task_name: 'shop.limited', rate_limit: '5/' }, { ok: 'new rate limit set successfully' }],
    ['rate_limit', { task_name: 'shop.limited', rate_limit: '5/m/x' }, { error: "KeyError('m/x')" }],
    ['time_limit', { task_name: 'shop.limited', soft: 1, hard: 2 }, { ok: 'time limits set successfully' }],
    ['time_limit', { task_name: 'nosuch', hard: 2 }, { error: 'unknown task' }],
    ['add_consumer', { queue: other, queue_durable: true }, { ok: `add consumer ${other}` }],
    ['cancel_consumer', { queue: other }, { ok: `no longer consuming from ${other}` }],
    ['cancel_consumer', { queue: 'nosuch' }, { ok: 'no longer consuming from nosuch' }],
    ['autoscale', { max: 3, min: 1 }, { error: "ValueError('Autoscale not enabled')" }],
    ['pool_grow', { n: 2 }, { ok: 'pool will grow' }],
    ['pool_shrink', { n: 1 }, { ok: 'pool will shrink' }],
    ['pool_restart', { modules: ['os'] }, { error: "ValueError('Pool restarts not enabled')" }],
    ['enable_events', {}, { ok: 'task events enabled' }],
    ['enable_events', {}, { ok: 'task events already enabled' }],
    ['enable_events', { zz: 1 }, unexpected('enable_events')],
    ['disable_events', {}, { ok: 'task events disabled' }],
    ['disable_events', {}, { ok: 'task events already disabled' }],
    ['heap_snapshot', {}, { error: text(/workerHeapSnapshotDir/) }],
    ['heartbeat', {}, null],
    ['election', { id: 'e', topic: 'task', action: {} }, { error: 'not supported' }],
    ['nosuch', {}, { error: "KeyError('nosuch')" }],
    ['shutdown', { msg: 'enough' }, { ok: 'shutting down' }],
  ];
}

describe.concurrent.each(somewhere)('a worker on %s', (_, place) => {
  it('answers every question and every command in exactly the shape that Celery gives it', async () => {
    await using s = await setup(place, { shutdownTimeout: 0 });
    const it = await busy(s);
    await using worker = it.worker;
    const ask = async (method: string, args: Row[1]): Promise<unknown> =>
      (await s.app.control.broadcast(method, args, { wait: true, destination: [NODE], timeout: 5 }))[NODE];
    for (const [method, args, reply] of [...questions(s.queue, it), ...commands(s.queue)]) {
      expect([method, args, await ask(method, args)]).toEqual([method, args, reply]);
    }
    await worker.closed;
    const broker = await s.app.openBroker('write');
    await broker.remove(`${s.queue}-other`);
  });
});
