// Remote control between Lovage and Celery on the same brokers, both ways: each side's commands against the other's workers, by code and by
// the real command lines.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lovage, type Task } from '../../src/index.ts';
import { uuid } from '../../src/util/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { ensureBuilt, project } from '../support/program.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { soon } from '../support/worker-app.ts';
import { type PeerOptions, type PythonClient, startPythonClient, startPythonWorker } from './peer.ts';

const run = promisify(execFile);
const PYTHON = join(import.meta.dirname, 'python');

describe.each([
  ['Redis', redisUrl],
  ['RabbitMQ', amqpUrl],
] as const)('on %s', (broker, url) => {
  const prefix = `control-${process.pid}-${broker.toLowerCase()}`;
  const [jsQueue, pyQueue] = [`${prefix}.js`, `${prefix}.py`];
  const [js, py] = [`${prefix}@js`, `${prefix}@py`];
  const stack = new AsyncDisposableStack();
  let app: Lovage;
  let slow: Task<[number], string>;
  let client: PythonClient;
  let peers: PeerOptions;

  beforeAll(async () => {
    app = new Lovage('control', {
      brokerUrl: url(),
      resultBackend: redisUrl(),
      taskDefaultQueue: jsQueue,
      controlExchange: prefix,
      resultExpires: 300,
    });
    slow = app.task('js.slow', { bind: true, params: ['seconds'] }, async (ctx, seconds: number) => {
      await new Promise((resolve, reject) => {
        setTimeout(resolve, seconds * 1000);
        ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason));
      });
      return 'through';
    });
    stack.defer(() => app.close());
    stack.use(await startWorker(app, { concurrency: 2, hostname: js, mingle: false }));
    const variables = { INTEROP_CONTROL: prefix };
    peers = { broker: url(), backend: redisUrl(), prefix, queues: [pyQueue], variables, gossip: true };
    stack.use(await startPythonWorker(peers));
    client = stack.use(startPythonClient({ ...peers, queues: [jsQueue, pyQueue] }));
  });
  afterAll(() => stack.disposeAsync());

  const fromPython = (call: string): Promise<unknown> => client.run(`app.control.inspect(['${js}'], timeout=5).${call}`);
  const tellFromPython = (command: string, args: object): Promise<unknown> => {
    const json = JSON.stringify(JSON.stringify(args));
    return client.run(
      `app.control.broadcast('${command}', arguments=json.loads(${json}), destination=['${js}'], reply=True, timeout=5)`,
    );
  };

  test('both answer a ping of either, and Celery counts Lovage in its status', async () => {
    const pong = { ok: 'pong' };
    // A Celery worker on Redis says that it is ready a little before it hears commands.
    await soon(async () => {
      expect(await app.control.ping({ limit: 2, timeout: 5 })).toEqual({ [js]: pong, [py]: pong });
    }, 30_000);
    expect(await client.run(`app.control.ping([${JSON.stringify(js)}, ${JSON.stringify(py)}], timeout=5)`)).toEqual(
      expect.arrayContaining([{ [js]: pong }, { [py]: pong }]),
    );
    const env = celeryEnvironment(peers);
    const { stdout } = await run('/usr/bin/python3', ['-m', 'celery', '-A', 'peer', 'status', '-t', '3'], { cwd: PYTHON, env });
    expect(stdout).toContain(`->  ${js}: OK`);
    expect(stdout).toContain('2 nodes online.');
  });

  test("Celery's inspect reads a Lovage worker", async () => {
    const running = await slow.delay(60);
    await soon(async () => expect(await fromPython('active()')).toMatchObject({ [js]: [{ id: running.id }] }), 20_000);
    const active = {
      id: running.id,
      name: 'js.slow',
      args: [60],
      kwargs: {},
      type: 'js.slow',
      hostname: js,
      time_start: expect.any(Number) as unknown,
      acknowledged: false,
      delivery_info: { exchange: '', routing_key: jsQueue, priority: expect.anything() as unknown, redelivered: false },
      worker_pid: process.pid,
    };
    expect(await fromPython('active()')).toEqual({ [js]: [active] });
    expect(await fromPython(`query_task('${running.id}')`)).toEqual({ [js]: { [running.id]: ['active', active] } });
    expect(await fromPython('reserved()')).toEqual({ [js]: [] });
    expect(await fromPython('scheduled()')).toEqual({ [js]: [] });
    expect(await fromPython('registered()')).toEqual({ [js]: ['js.slow'] });
    expect(await fromPython('clock()')).toEqual({ [js]: { clock: expect.any(Number) as unknown } });
    expect(await fromPython('conf()')).toMatchObject({ [js]: { task_default_queue: jsQueue } });
    expect(await fromPython('active_queues()')).toMatchObject({ [js]: [{ name: jsQueue, routing_key: jsQueue, no_ack: false }] });
    expect(await fromPython('stats()')).toMatchObject({
      [js]: { pid: process.pid, clock: expect.any(String) as unknown, pool: { 'max-concurrency': 2 }, total: { 'js.slow': 1 } },
    });
    expect(await fromPython('report()')).toMatchObject({
      [js]: { ok: expect.stringContaining('software -> lovage:') as unknown },
    });
    expect(await fromPython('memsample()')).toEqual({ [js]: expect.stringMatching(/^\d+MB$/) as unknown });
    expect(await fromPython('memdump()')).toEqual({ [js]: expect.stringContaining('- rss (sample):') as unknown });
    expect(await fromPython('objgraph()')).toMatchObject({ [js]: { error: expect.stringContaining('ImportError') as unknown } });
    expect(await tellFromPython('revoke', { task_id: running.id, terminate: true, signal: 'SIGTERM' })).toEqual([
      { [js]: { ok: `terminate: ${running.id}` } },
    ]);
    await expect(running.get({ timeout: 10 })).rejects.toThrow('terminated');
    expect(await client.run(`AsyncResult('${running.id}', app=app).state`)).toBe('REVOKED');
  });

  test("Celery's control changes a Lovage worker", async () => {
    const replies = async (command: string, args: object = {}): Promise<unknown> => {
      const [reply] = (await tellFromPython(command, args)) as readonly Record<string, unknown>[];
      return reply?.[js];
    };
    expect(await replies('rate_limit', { task_name: 'js.slow', rate_limit: '100/s' })).toEqual({
      ok: 'new rate limit set successfully',
    });
    expect(await replies('rate_limit', { task_name: 'nope', rate_limit: '5/m' })).toEqual({ error: 'unknown task' });
    expect(await replies('rate_limit', { task_name: 'js.slow', rate_limit: 0 })).toEqual({
      ok: 'rate limit disabled successfully',
    });
    expect(await replies('rate_limit')).toEqual({
      error: `TypeError("rate_limit() missing 2 required positional arguments: 'task_name' and 'rate_limit'")`,
    });
    expect(await replies('time_limit', { task_name: 'js.slow', soft: 50, hard: 90 })).toEqual({
      ok: 'time limits set successfully',
    });
    expect(await replies('pool_grow', { n: 1 })).toEqual({ ok: 'pool will grow' });
    expect(await replies('pool_shrink', { n: 1 })).toEqual({ ok: 'pool will shrink' });
    expect(await replies('autoscale', { max: 3, min: 1 })).toEqual({ error: "ValueError('Autoscale not enabled')" });
    expect(await replies('add_consumer', { queue: `${prefix}.extra` })).toEqual({ ok: `add consumer ${prefix}.extra` });
    expect(await replies('cancel_consumer', { queue: `${prefix}.extra` })).toEqual({
      ok: `no longer consuming from ${prefix}.extra`,
    });
    expect(await replies('heartbeat')).toBeNull();
    expect(await replies('no_such_command')).toEqual({ error: "KeyError('no_such_command')" });
    expect(await replies('revoke_by_stamped_headers', { headers: { tenant: ['t1'] } })).toEqual({
      ok: "headers {'tenant': ['t1']} flagged as revoked, but not terminated",
    });
    const stamped = await slow.applyAsync([60], { stampedHeaders: ['tenant'], stamps: { tenant: 't1' } });
    await expect(stamped.get({ timeout: 10 })).rejects.toThrow('revoked');
  });

  test("Lovage's questions and commands reach a Celery worker", async () => {
    const options = { destination: [py], timeout: 5 };
    const asked = app.control.inspect(options);
    expect((await asked.registered())[py]).toContain('py.echo');
    expect((await asked.stats())[py]).toMatchObject({ prefetch_count: expect.any(Number) as unknown });
    expect((await asked.activeQueues())[py]?.map(({ name }) => name)).toContain(pyQueue);
    expect((await asked.conf())[py]).toMatchObject({ task_default_queue: pyQueue });
    const told = { ...options, wait: true };
    expect(await app.control.rateLimit('py.echo', '10/m', told)).toEqual({ [py]: { ok: 'new rate limit set successfully' } });
    expect(await app.control.timeLimit('py.echo', { soft: 5, hard: 10 }, told)).toEqual({
      [py]: { ok: 'time limits set successfully' },
    });
    expect(await app.control.addConsumer(`${prefix}.more`, told)).toEqual({ [py]: { ok: `add consumer ${prefix}.more` } });
    expect(await app.control.cancelConsumer(`${prefix}.more`, told)).toEqual({
      [py]: { ok: `no longer consuming from ${prefix}.more` },
    });
    const running = await app.sendTask<string>('py.slow', { args: [60], queue: pyQueue });
    await soon(async () => expect((await asked.active())[py]?.map(({ id }) => id)).toEqual([running.id]), 20_000);
    // As Celery sends it: a client of Lovage parks it on RabbitMQ.
    const later = app.result(String(await client.run(`send('py.slow', 60, queue='${pyQueue}', countdown=3600).id`)));
    await soon(async () => expect((await asked.scheduled())[py]?.map(({ request }) => request.id)).toEqual([later.id]), 20_000);
    expect(await later.revoke({ wait: true, timeout: 5, destination: [py] })).toEqual([
      { [py]: { ok: `tasks ${later.id} flagged as revoked` } },
    ]);
    expect((await asked.revoked())[py]).toContain(later.id);
    expect(await app.control.terminate(running.id, { ...told, killSignal: 'SIGKILL' })).toEqual({
      [py]: { ok: `terminate: ${running.id}` },
    });
    await expect(running.get({ timeout: 20 })).rejects.toThrow(/terminated/);
  });

  test('the command lines of both reach the workers of the other', async () => {
    ensureBuilt();
    const celery = async (...words: readonly string[]): Promise<string> =>
      (await run('/usr/bin/python3', ['-m', 'celery', '-A', 'peer', ...words], { cwd: PYTHON, env: celeryEnvironment(peers) }))
        .stdout;
    expect(await celery('inspect', 'registered', '-d', js, '-t', '5')).toContain('* js.slow');
    expect(await celery('control', '-d', js, '-t', '5', 'rate_limit', 'js.slow', '7/m')).toContain(
      'new rate limit set successfully',
    );
    using here = project({});
    const env = { LOVAGE_CONTROL_EXCHANGE: prefix };
    const lovage = (...words: readonly string[]) => here.run(['-b', url(), '--result-backend', redisUrl(), ...words], { env });
    expect(await lovage('inspect', 'ping', '-d', py, '-t', '5')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`->  ${py}: OK`) as unknown,
    });
    expect(await lovage('control', 'rate_limit', 'py.echo', '7/m', '-d', py, '-t', '5')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('new rate limit set successfully') as unknown,
    });
    expect((await lovage('status', '-t', '2')).stdout).toContain('2 nodes online.');
  });

  test('workers of both that start learn from each other what is revoked', async () => {
    const ids = Array.from({ length: 1000 }, () => uuid());
    // From a worker that asks, so that Lovage's alone can tell; a revoke for it alone it would keep for itself.
    const hello = app.control.inspect({ destination: [js], timeout: 5 });
    await hello.call('hello', { from_node: `${prefix}.asks@js`, revoked: ids });
    await using _late = await startPythonWorker({ ...peers, prefix: `${prefix}.late`, mingle: true });
    const late = `${prefix}.late@py`;
    // It says that it is ready a little before it hears commands.
    await soon(async () => {
      const known = (await app.control.inspect({ destination: [late], timeout: 2 }).revoked())[late] ?? [];
      expect(ids.filter((id) => !known.includes(id))).toEqual([]);
    }, 20_000);
    const told = uuid();
    await app.control.revoke(told, { destination: [late], wait: true, timeout: 5 });
    await using lovage = await startWorker(app, { hostname: `${prefix}.late@js`, gossip: true });
    const asked = app.control.inspect({ destination: [`${prefix}.late@js`], timeout: 5 });
    await soon(async () => expect((await asked.revoked())[`${prefix}.late@js`]).toContain(told), 10_000);

    // An election of Celery's workers ends although two of ours are alive, of which one says nothing; and it ends nobody.
    await soon(
      () => expect(lovage.info().gossip).toMatchObject({ peers: expect.arrayContaining([py, late]) as unknown }),
      20_000,
    );
    const elected = uuid();
    const action = { task: 'py.echo', args: ['elected'], kwargs: {}, options: { task_id: elected, queue: pyQueue } };
    await app.control.election(uuid(), 'task', action, { destination: [py, late] });
    expect(await app.result<string>(elected).get({ timeout: 20 })).toBe('elected');
    const all = [py, late, js, `${prefix}.late@js`];
    expect(Object.keys(await app.control.ping({ destination: all, timeout: 5 })).sort()).toEqual(all.sort());
  });
});

function celeryEnvironment({ broker, backend, prefix, queues, variables }: PeerOptions): NodeJS.ProcessEnv {
  const { PYTHONPATH: _, ...inherited } = process.env;
  return {
    ...inherited,
    PYTHONDONTWRITEBYTECODE: '1',
    INTEROP_BROKER: broker,
    INTEROP_BACKEND: backend,
    INTEROP_PREFIX: prefix,
    INTEROP_QUEUES: queues.join(','),
    ...variables,
  };
}
