// Revokes reach workers that were not there when they were told: through the result store, a state file, or the other workers.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/util/index.ts';
import { startWorker, type Worker } from '../../../src/worker/index.ts';
import { testFolder } from '../../support/folder.ts';
import { soon } from '../../support/worker-app.ts';
import { places, type Setup, setup } from './places.ts';

const place = (name: string) => places.find(([other]) => other === name)?.[1] ?? places[0]![1];
const amqp = place('amqp with redis');
const keeping = ['memory', 'sqlite, one file', 'redis', 'amqp with redis'].map((name) => [name, place(name)] as const);

function tasks(s: Setup): {
  readonly ran: string[];
  readonly send: (options?: object) => Promise<{ readonly id: string; state(): Promise<string> }>;
} {
  const ran: string[] = [];
  const task = s.app.task('shop.note', { bind: true, params: [] }, (ctx) => void ran.push(ctx.request.id));
  return { ran, send: (options = {}) => task.applyAsync([], options) };
}

const revokedBy = async (worker: Worker, s: Setup): Promise<readonly string[]> =>
  (await s.app.control.inspect({ destination: [worker.hostname] }).revoked())[worker.hostname] ?? [];

describe.each(keeping)('on %s', (_, where) => {
  it('a worker that starts later does not run what was revoked before, by id or by stamp', async () => {
    await using s = await setup(where);
    const { ran, send } = tasks(s);
    const [one, stamped, other] = await Promise.all([
      send(),
      send({ stampedHeaders: ['tenant'], stamps: { tenant: ['a', 'b'] } }),
      send({ stampedHeaders: ['tenant'], stamps: { tenant: 'c' } }),
    ]);
    await s.app.control.revoke(one.id);
    await s.app.control.revokeByStampedHeaders({ tenant: ['b', 'x'] });
    await using _worker = await startWorker(s.app, { hostname: 'late@h', mingle: false });
    await soon(async () => {
      expect(await Promise.all([one.state(), stamped.state(), other.state()])).toEqual(['REVOKED', 'REVOKED', 'SUCCESS']);
    });
    expect(ran).toEqual([other.id]);
  });

  it('what waits ends as REVOKED in the order of the queue, and what is parked at once', async () => {
    await using s = await setup(where, { workerSendTaskEvents: true });
    const { ran, send } = tasks(s);
    const told: unknown[] = [];
    s.app.signals.taskRevoked.connect(({ terminated, expired }) => void told.push({ terminated, expired }));
    await using stream = s.app.events({ wakeup: false });
    await stream.ready();
    await using worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
    const parked = await send({ countdown: 3600 });
    await s.app.queue().pause();
    await soon(() => expect(worker.info()).toMatchObject({ paused: [s.queue] }));
    const waiting = await send();
    const ids = [parked.id, waiting.id];
    await s.app.control.revoke(ids, { wait: true, destination: ['w@h'] });
    await s.app.queue().resume();
    // Nobody can look for what RabbitMQ has parked.
    const ended = where === amqp ? [waiting.id] : ids;
    const expected = ended.map((id) => [id, false]);
    const events: (readonly [string, unknown])[] = [];
    for await (const event of stream) {
      if (event.type === 'task-revoked') events.push([event.uuid, event.terminated]);
      if (events.length === expected.length) break;
    }
    expect(events.toSorted()).toEqual(expected.toSorted());
    await soon(async () =>
      expect(await Promise.all(ended.map((id) => s.app.result(id).state()))).toEqual(ended.map(() => 'REVOKED')),
    );
    expect(told).toEqual(ended.map(() => ({ terminated: false, expired: false })));
    expect(ran).toEqual([]);
    await soon(async () => expect((await s.counts()).ready).toBe(0));
  });
});

it('revoking waits for the answers of workers when it is told to', async () => {
  await using s = await setup(place('memory'));
  const { send } = tasks(s);
  await using _worker = await startWorker(s.app, { hostname: 'w@h' });
  const result = await send({ countdown: 3600 });
  expect(await s.app.result(result.id).revoke({ wait: true, timeout: 1 })).toEqual([
    { 'w@h': { ok: `tasks {'${result.id}'} flagged as revoked` } },
  ]);
});

it('a task that waits here for its eta ends at once when it is revoked', async () => {
  await using s = await setup(place('redis'));
  const { ran, send } = tasks(s);
  // Sent before: while a worker serves the queue, what is due later waits in the broker.
  const soonDue = await send({ countdown: 4 });
  await using _worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
  await soon(async () => {
    const scheduled = await s.app.control.inspect({ destination: ['w@h'] }).scheduled();
    expect(scheduled['w@h']?.map(({ request }) => request.id)).toEqual([soonDue.id]);
  });
  await s.app.control.revoke(soonDue.id);
  await soon(async () => expect(await soonDue.state()).toBe('REVOKED'), 2000);
  expect(ran).toEqual([]);
});

it('without a store a worker asks the others when it starts, and keeps a file', async () => {
  await using s = await setup(place('amqp with rpc'));
  const here = testFolder('state');
  const stateDb = join(here, '%n.state');
  await using first = await startWorker(s.app, { hostname: 'one@h', stateDb });
  await s.app.control.revoke(['a', 'b'], { wait: true, destination: ['one@h'] });
  await using second = await startWorker(s.app, { hostname: 'two@h' });
  await soon(async () => expect(new Set(await revokedBy(second, s))).toEqual(new Set(['a', 'b'])));
  await Promise.all([first.stop(), second.stop()]);
  expect(JSON.parse(readFileSync(join(here, 'one.state'), 'utf8'))).toMatchObject({
    version: 1,
    ids: [
      ['a', expect.any(Number)],
      ['b', expect.any(Number)],
    ],
  });
  await using again = await startWorker(s.app, { hostname: 'one@h', stateDb, mingle: false });
  expect(await revokedBy(again, s)).toEqual(['a', 'b']);
});

it('a file that is no state file is refused, and left alone', async () => {
  await using s = await setup(place('memory'));
  const here = testFolder('state');
  const stateDb = join(here, 'notes.txt');
  writeFileSync(stateDb, 'my notes');
  await expect(startWorker(s.app, { stateDb })).rejects.toThrow(ConfigurationError);
  expect(readFileSync(stateDb, 'utf8')).toBe('my notes');
  await expect(startWorker(s.app, { stateDb: join(stateDb, 'w.state') })).rejects.toThrow(/cannot be read: ENOTDIR/);
});

describe('a worker that obeys', () => {
  it('questions only answers commands with an error', async () => {
    await using s = await setup(place('memory'), { remoteControl: 'inspect' });
    await using worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
    const refused = await s.app.control.shutdown({ wait: true, destination: ['w@h'] });
    expect(refused['w@h']?.error).toContain('remoteControl');
    expect(await s.app.control.ping({ destination: ['w@h'] })).toEqual({ 'w@h': { ok: 'pong' } });
    expect(worker.state).toBe('running');
  });

  it('questions only is told of no revokes by one that asks', async () => {
    await using s = await setup(place('memory'), { remoteControl: 'inspect' });
    await using _worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
    const args = { from_node: 'x@h', revoked: { 'some-id': [1.5, 'some-id'] } };
    const asked = s.app.control.inspect({ destination: ['w@h'] });
    expect(await asked.call('hello', args)).toMatchObject({ 'w@h': { revoked: {} } });
    expect(await asked.revoked()).toEqual({ 'w@h': [] });
  });

  it('nobody has no ear', async () => {
    await using s = await setup(place('memory'), { workerEnableRemoteControl: false });
    await using _worker = await startWorker(s.app, { hostname: 'w@h' });
    expect(await s.app.control.ping({ timeout: 0.1 })).toEqual({});
  });
});

it('broken control messages are dropped, and the next is answered', async () => {
  await using s = await setup(place('redis'));
  await using _worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
  const broker = await s.app.openBroker('write');
  const send = (text: string, headers = {}): Promise<void> =>
    broker.publish(
      [
        {
          exchange: `${s.queue}.pidbox`,
          routingKey: '',
          headers,
          properties: { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2 },
          body: new TextEncoder().encode(text),
        },
      ],
      { signal: AbortSignal.timeout(5000) },
    );
  expect(await s.app.control.ping({ destination: ['w@h'] })).not.toEqual({});
  for (const text of ['{', '[]', '{"method": 1}', '{"method": "ping", "pattern": "x", "matcher": "none"}']) await send(text);
  // Its sender stopped waiting long ago.
  await send('{"method": "shutdown"}', { expires: 1 });
  // The worker was busy for too long; what must not run must not run all the same.
  await send('{"method": "revoke", "arguments": {"task_id": "late-id"}}', { expires: 1 });
  // It asks for its answer in a queue of tasks.
  await send(`{"method": "ping", "ticket": "t", "reply_to": {"exchange": "", "routing_key": "${s.queue}"}}`);
  expect(await s.app.control.ping({ destination: ['w@h'] })).toEqual({ 'w@h': { ok: 'pong' } });
  expect(await s.app.control.inspect({ destination: ['w@h'] }).revoked()).toEqual({ 'w@h': ['late-id'] });
  expect((await s.counts()).ready).toBe(0);
});

it('commands of a program run in its workers; what they throw is an error, what does not fit into JSON is a text', async () => {
  await using s = await setup(place('memory'));
  const { control } = s.app;
  control.command('double', {
    kind: 'inspect',
    args: [{ name: 'n', required: true }],
    run: async (_, { n }) => ({ n: Number(n) * 2 }),
  });
  control.command('broken', {
    run: () => {
      throw new TypeError("it's broken");
    },
  });
  control.command('odd', { run: () => ({ self: Symbol('x') }) });
  control.command('grow', { run: ({ pool }) => pool.resize(pool.limit + 1).then(() => pool.limit) });
  await using _worker = await startWorker(s.app, { hostname: 'w@h', mingle: false, concurrency: 2 });
  const ask = async (name: string, args = {}): Promise<unknown> =>
    (await control.broadcast(name, args, { wait: true, destination: ['w@h'] }))['w@h'];
  expect(await ask('double', { n: 21 })).toEqual({ n: 42 });
  expect(await ask('double')).toEqual({ error: `TypeError("double() missing 1 required positional argument: 'n'")` });
  expect(await ask('broken')).toEqual({ error: `TypeError("it's broken")` });
  expect(await ask('odd')).toEqual(expect.any(String));
  expect(await ask('grow')).toBe(3);
  expect(() => control.command('double', { run: () => 1 })).toThrow(ConfigurationError);
});
