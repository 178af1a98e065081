// Every command that Celery's workers know, asked by Celery's client and by Lovage's of a worker of each at once: the answers are the same,
// or have the same shape. And every one by Celery's own command line, which has its own ideas of what it sends.
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lovage } from '../../src/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { soon } from '../support/worker-app.ts';
import { type PeerOptions, type PythonClient, startPythonClient, startPythonWorker } from './peer.ts';

type Json = Readonly<Record<string, unknown>>;
/** `same`: word for word. `shape`: ours has every key of theirs, with a value of its type. `map`: an object each. `error`: both refuse. */
type Row = readonly [method: string, args: Json, how: 'same' | 'shape' | 'map' | 'error'];

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where ours lacks what theirs has, or has another type; null goes with everything. */
function differences(theirs: unknown, ours: unknown, path = 'reply'): readonly string[] {
  if (theirs === null || ours === null) return [];
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    if (theirs.length === 0 || ours.length === 0) return [];
    return differences(theirs[0], ours[0], `${path}[0]`);
  }
  if (isObject(theirs) && isObject(ours)) {
    // Each worker has options of its own for its broker.
    if (path.endsWith('transport_options')) return [];
    return Object.entries(theirs).flatMap(([key, value]) =>
      Object.hasOwn(ours, key) ? differences(value, ours[key], `${path}.${key}`) : [`${path} has no ${key}`],
    );
  }
  return typeof theirs === typeof ours && Array.isArray(theirs) === Array.isArray(ours)
    ? []
    : [`${path} is ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`];
}

describe.concurrent.each([
  ['Redis', redisUrl],
  ['RabbitMQ', amqpUrl],
] as const)('on %s', (broker, url) => {
  const prefix = `commands-${process.pid}-${broker.toLowerCase()}`;
  const [jsQueue, pyQueue] = [`${prefix}.js`, `${prefix}.py`];
  const running = `${prefix}.running`;
  const [js, py] = [`${prefix}@js`, `${prefix}@py`];
  const stack = new AsyncDisposableStack();
  let app: Lovage;
  let client: PythonClient;

  beforeAll(async () => {
    app = new Lovage('commands', {
      brokerUrl: url(),
      resultBackend: redisUrl(),
      taskDefaultQueue: jsQueue,
      controlExchange: prefix,
      resultExpires: 300,
    });
    app.task('both.where', { params: [] }, () => 'javascript');
    app.task('py.slow', { bind: true, params: ['seconds'] }, (ctx, _seconds: number) => {
      const { promise, reject } = Promise.withResolvers<never>();
      ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error));
      return promise;
    });
    stack.defer(() => app.close());
    stack.use(await startWorker(app, { concurrency: 2, hostname: js, mingle: false, shutdownTimeout: 0 }));
    const variables = { INTEROP_CONTROL: prefix };
    const peers: PeerOptions = { broker: url(), backend: redisUrl(), prefix, queues: [pyQueue], variables };
    stack.use(await startPythonWorker(peers));
    client = stack.use(startPythonClient({ ...peers, queues: [jsQueue, pyQueue] }));
    // One task of that id runs on each.
    for (const queue of [jsQueue, pyQueue]) await client.run(`send('py.slow', 60, queue='${queue}', task_id='${running}').id`);
    const asked = app.control.inspect({ destination: [js, py], timeout: 2 });
    await soon(async () => expect(Object.values(await asked.active()).map((list) => list.length)).toEqual([1, 1]), 30_000);
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  const byLovage = (method: string, args: Json): Promise<Json> =>
    app.control.broadcast(method, args, { wait: true, destination: [js, py], timeout: 10 }) as Promise<Json>;
  const byCelery = async (method: string, args: Json): Promise<Json> => {
    const given = JSON.stringify(JSON.stringify(args));
    const replies = await client.run(
      `app.control.broadcast('${method}', arguments=json.loads(${given}), destination=['${js}', '${py}'], reply=True, timeout=10)`,
    );
    return Object.assign({}, ...(replies as readonly Json[])) as Json;
  };

  const rows: readonly Row[] = [
    ['ping', {}, 'same'],
    ['clock', {}, 'shape'],
    ['active', {}, 'shape'],
    ['active', { safe: true }, 'shape'],
    ['dump_active', {}, 'shape'],
    ['reserved', {}, 'shape'],
    ['dump_reserved', {}, 'shape'],
    ['scheduled', {}, 'shape'],
    ['dump_schedule', {}, 'shape'],
    ['query_task', { ids: [running, 'unknown'] }, 'shape'],
    ['query_task', { ids: 'unknown' }, 'same'],
    ['query_task', {}, 'same'],
    ['registered', {}, 'shape'],
    ['registered', { taskinfoitems: ['rate_limit'], builtins: true }, 'shape'],
    ['dump_tasks', {}, 'shape'],
    ['active_queues', {}, 'shape'],
    ['stats', {}, 'shape'],
    ['conf', {}, 'map'],
    ['dump_conf', {}, 'map'],
    ['report', {}, 'shape'],
    ['memsample', {}, 'shape'],
    ['memdump', { samples: 3 }, 'shape'],
    ['objgraph', {}, 'shape'],
    // Celery tells others what was revoked for it alone, too.
    ['hello', { from_node: 'other@h', revoked: {} }, 'map'],
    // Celery 5.2 names the ids, later ones write a set, as we do.
    ['revoke', { task_id: 'gone' }, 'map'],
    ['revoked', {}, 'same'],
    ['dump_revoked', {}, 'same'],
    ['revoke', { task_id: ['gone'], terminate: true, signal: 'SIGTERM' }, 'same'],
    ['terminate', { signal: 'SIGTERM', task_id: 'gone' }, 'same'],
    ['revoke', { task_id: 'gone', terminate: true, signal: 'SIGFOO' }, 'error'],
    ['rate_limit', { task_name: 'both.where', rate_limit: '10/m' }, 'same'],
    ['rate_limit', { task_name: 'both.where', rate_limit: '5/x' }, 'same'],
    ['rate_limit', { task_name: 'both.where', rate_limit: 0 }, 'same'],
    ['rate_limit', { task_name: 'nosuch', rate_limit: '10/m' }, 'same'],
    ['rate_limit', {}, 'same'],
    ['time_limit', { task_name: 'both.where', soft: 1, hard: 2 }, 'same'],
    ['time_limit', { task_name: 'nosuch', soft: 1 }, 'same'],
    ['pool_grow', { n: 1 }, 'same'],
    ['pool_shrink', { n: 1 }, 'same'],
    ['pool_restart', {}, 'same'],
    ['autoscale', { max: 3, min: 1 }, 'same'],
    ['add_consumer', { queue: `${prefix}.new`, queue_durable: true }, 'same'],
    ['cancel_consumer', { queue: `${prefix}.new` }, 'same'],
    ['cancel_consumer', { queue: 'nosuch' }, 'same'],
    ['disable_events', {}, 'same'],
    ['enable_events', {}, 'same'],
    ['enable_events', {}, 'same'],
    ['enable_events', { zz: 1 }, 'same'],
    ['disable_events', {}, 'same'],
    ['heartbeat', {}, 'same'],
    ['nosuch', {}, 'same'],
  ];

  const lines = [
    ...['active', 'active_queues', 'clock', 'conf', 'memdump', 'memsample', 'objgraph', 'ping', 'registered', 'report'],
    ...['reserved', 'revoked', 'scheduled', 'stats'],
  ]
    .map((method): readonly [string, string, ...string[]] => ['inspect', method])
    .concat([
      ['inspect', 'query_task', running],
      ['inspect', 'registered', 'rate_limit', 'acks_late'],
      ['control', 'rate_limit', 'both.where', '10/m'],
      ['control', 'time_limit', 'both.where', '1', '2'],
      ['control', 'add_consumer', `${prefix}.line`],
      ['control', 'cancel_consumer', `${prefix}.line`],
      ['control', 'enable_events'],
      ['control', 'disable_events'],
      ['control', 'heartbeat'],
      ['control', 'pool_grow', '1'],
      ['control', 'pool_shrink', '1'],
      ['control', 'pool_restart'],
      ['control', 'autoscale', '3', '1'],
      ['control', 'election'],
      ['control', 'revoke', 'gone'],
      ['control', 'terminate', 'SIGTERM', running],
      ['control', 'shutdown'],
    ]);

  test('every command is answered as Celery answers it, whoever asks', async () => {
    const wrong: string[] = [];
    for (const [who, ask] of Object.entries({ lovage: byLovage, celery: byCelery })) {
      for (const [method, args, how] of rows) {
        const { [js]: ours, [py]: theirs, ...others } = await ask(method, args);
        const isRight = {
          same: isDeepStrictEqual(ours, theirs),
          shape: differences(theirs, ours).length === 0,
          map: isObject(ours) && isObject(theirs),
          error: isObject(ours) && isObject(theirs) && 'error' in ours && 'error' in theirs,
        }[how];
        if (isRight && Object.keys(others).length === 0) continue;
        const what = how === 'shape' ? differences(theirs, ours).join(', ') : JSON.stringify({ ours, theirs, others });
        wrong.push(`${who}: ${method} ${JSON.stringify(args)}: ${what}`);
      }
    }
    expect(wrong).toEqual([]);

    await client.run(`
from click.testing import CliRunner
from celery.bin.celery import celery as program
def line(words):
    result = CliRunner().invoke(program, ['-A', 'peer', *words])
    return [result.exit_code, result.output]
None`);
    const refused = new Set(['objgraph', 'pool_restart', 'autoscale', 'election']);
    for (const [kind, method, ...words] of lines) {
      const command = JSON.stringify([kind, '-d', js, '-t', '10', method, ...words]);
      const [code, output] = (await client.run(`line(${command})`)) as readonly [number, string];
      const expected = `->  ${js}: ${refused.has(method) ? 'ERROR' : 'OK'}`;
      // Where one worker refused, Celery's programs end as if none had.
      if (!output.includes(expected) || code !== 0) wrong.push(`${command}: ${code} ${output}`);
    }
    expect(wrong).toEqual([]);
  }, 60_000);
});
