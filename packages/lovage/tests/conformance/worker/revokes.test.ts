// Revokes reach workers that were not there when they were told: through the result store, a state file, or the other workers.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { revokeText } from '../../../src/result/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { startWorker, type Worker } from '../../../src/worker/index.ts';
import { testFolder } from '../../support/folder.ts';
import { redisUrl } from '../../support/servers.ts';
import { soon } from '../../support/worker-app.ts';
import { places, type Setup, setup } from './places.ts';

const place = (name: string) => places.find(([other]) => other === name)?.[1] ?? places[0]![1];
const amqp = place('amqp with redis');
const keeping = ['memory', 'sqlite, one file', 'redis', "redis with Celery's unacked entries", 'amqp with redis'].map(
  (name) => [name, place(name)] as const,
);
/** Nobody can look for what RabbitMQ has parked, so there a revoked task ends when it is due, in a few seconds; elsewhere at once. */
const parked = (where: unknown): { readonly countdown: number } => ({ countdown: where === amqp ? 5 : 86_400 });

function tasks(s: Setup): {
  readonly ran: string[];
  readonly send: (options?: object) => Promise<{ readonly id: string; state(): Promise<string> }>;
} {
  const ran: string[] = [];
  const task = s.app.task('shop.note', { bind: true, params: [] }, (ctx) => void ran.push(ctx.request.id));
  return { ran, send: (options = {}) => task.applyAsync([], options) };
}

const revokedBy = async (worker: Worker, s: Setup): Promise<readonly string[]> =>
  (await s.app.control.inspect({ destination: [worker.hostname], limit: 1 }).revoked())[worker.hostname] ?? [];

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
    const later = await send({ countdown: 86_400 });
    await s.app.queue().pause();
    await soon(() => expect(worker.info()).toMatchObject({ paused: [s.queue] }));
    const waiting = await send();
    const ids = [later.id, waiting.id];
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

  it('many parked tasks that one command revokes all end', async () => {
    await using s = await setup(where);
    const { ran, send } = tasks(s);
    await using _worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
    const sent = await Promise.all(Array.from({ length: where === amqp ? 300 : 1000 }, () => send(parked(where))));
    await s.app.control.revoke(sent.map(({ id }) => id));
    await allRevoked(s, sent);
    expect(ran).toEqual([]);
  });

  it('parked tasks end by their stamps, and others stay', async () => {
    await using s = await setup(where);
    const { ran, send } = tasks(s);
    await using _worker = await startWorker(s.app, { hostname: 'w@h', mingle: false });
    const stamped = { ...parked(where), stampedHeaders: ['tenant'] };
    const meant = [
      await send({ ...stamped, stamps: { tenant: ['a', 'b'] } }),
      await send({ ...stamped, stamps: { tenant: 'a' } }),
    ];
    await send({ countdown: 86_400, stampedHeaders: ['tenant'], stamps: { tenant: 'c' } });
    await s.app.control.revokeByStampedHeaders({ tenant: 'a' });
    await allRevoked(s, meant);
    expect(ran).toEqual([]);
    if (where !== amqp) expect(await s.counts()).toMatchObject({ ready: 0, parked: 1 });
  });

  it('what was revoked before a worker starts ends too, though it is due when the revoke is forgotten', async () => {
    // On RabbitMQ the lifetime alone decides.
    await using s = await setup(where, where === amqp ? {} : { workerRevokeExpires: 3600 });
    const { ran, send } = tasks(s);
    const stamped = { ...parked(where), stampedHeaders: ['tenant'], stamps: { tenant: 'a' } };
    const sent = [await send(parked(where)), await send(stamped)];
    {
      // Where nobody serves the queue a publish alone parks nothing on some brokers: a worker does that.
      await using _other = await startWorker(s.app, { hostname: 'other@h', mingle: false });
      if (where !== amqp) await soon(async () => expect(await s.counts()).toMatchObject({ ready: 0, parked: 2 }));
    }
    await s.app.control.revoke(sent[0]!.id);
    await s.app.control.revokeByStampedHeaders({ tenant: 'a' });
    await using _worker = await startWorker(s.app, { hostname: 'late@h', mingle: false });
    await allRevoked(s, sent);
    expect(ran).toEqual([]);
  });

  it('a revoke that was kept more than three hours ago counts', async () => {
    await using s = await setup(where);
    const { ran, send } = tasks(s);
    const sent = await send(parked(where));
    const { revokes } = await s.app.openBackend();
    const { workerRevokeExpires: expires, workerRevokesMax: max } = s.app.settings;
    await revokes?.add(s.queue, [revokeText({ id: sent.id })], { expires: expires - 86_400, max });
    await using _worker = await startWorker(s.app, { hostname: 'late@h', mingle: false });
    await allRevoked(s, [sent]);
    expect(ran).toEqual([]);
  });

  it('a revoke for one worker stays with it', async () => {
    await using s = await setup(where);
    const { ran, send } = tasks(s);
    const stateDb = join(testFolder('state'), '%n.state');
    const first = await startWorker(s.app, { hostname: 'one@h', mingle: false, stateDb });
    await s.app.queue().pause();
    await soon(() => expect(first.info()).toMatchObject({ paused: [s.queue] }));
    const sent = [await send(), await send({ stampedHeaders: ['tenant'], stamps: { tenant: 'a' } })];
    const ids = sent.map(({ id }) => id);
    await s.app.control.revoke(ids[0]!, { destination: ['one@h'], wait: true, limit: 1 });
    await s.app.control.revokeByStampedHeaders({ tenant: 'a' }, { pattern: 'one@*', matcher: 'glob', wait: true, limit: 1 });
    expect(await revokedBy(first, s)).toEqual([ids[0]]);
    // Another that starts asks what is revoked.
    const asked = s.app.control.inspect({ destination: ['one@h'], limit: 1 });
    expect(await asked.call('hello', { from_node: 'x@h' })).toMatchObject({ 'one@h': { revoked: {} } });
    await first.stop();
    {
      // Its own file has it, and says so.
      await using again = await startWorker(s.app, { hostname: 'one@h', mingle: false, stateDb });
      expect(await revokedBy(again, s)).toEqual([ids[0]]);
      expect(await asked.call('hello', { from_node: 'x@h' })).toMatchObject({ 'one@h': { revoked: {} } });
    }
    await using second = await startWorker(s.app, { hostname: 'two@h', mingle: false });
    expect(await revokedBy(second, s)).toEqual([]);
    await s.app.queue().resume();
    await soon(() => expect(ran.toSorted()).toEqual(ids.toSorted()));
  });
});

/** All of them ended as REVOKED. */
async function allRevoked({ app }: Setup, sent: readonly { readonly id: string }[]): Promise<void> {
  const left = sent.map(({ id }) => id);
  await soon(async () => {
    for (let [id] = left; id !== undefined; left.shift(), [id] = left) expect(await app.result(id).state()).toBe('REVOKED');
  }, 20_000);
}

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
  await s.app.control.revoke(['a', 'b'], { wait: true, limit: 1 });
  await s.app.control.revokeByStampedHeaders({ tenant: 'a' }, { wait: true, limit: 1 });
  await using second = await startWorker(s.app, { hostname: 'two@h' });
  await soon(async () => expect(new Set(await revokedBy(second, s))).toEqual(new Set(['a', 'b'])));
  // Of stamps too.
  const { ran, send } = tasks(s);
  const ended = Promise.withResolvers<string>();
  s.app.signals.taskRevoked.connect(({ request }) => ended.resolve(request.id));
  const queue = `${s.queue}-second`;
  const stamped = await send({ stampedHeaders: ['tenant'], stamps: { tenant: 'a' }, queue });
  await s.app.control.addConsumer(queue, { destination: ['two@h'], wait: true, limit: 1 });
  expect(await ended.promise).toBe(stamped.id);
  expect(ran).toEqual([]);
  await Promise.all([first.stop(), second.stop()]);
  expect(JSON.parse(readFileSync(join(here, 'one.state'), 'utf8'))).toMatchObject({
    version: 1,
    ids: [
      ['a', expect.any(Number)],
      ['b', expect.any(Number)],
    ],
    stamps: [['tenant', 'a', expect.any(Number)]],
  });
  await using again = await startWorker(s.app, { hostname: 'one@h', stateDb, mingle: false });
  expect(await revokedBy(again, s)).toEqual(['a', 'b']);
});

it('what a worker learned from others is in its file before it ends', async () => {
  await using s = await setup(place('amqp with rpc'));
  const { ran, send } = tasks(s);
  let ended = 0;
  s.app.signals.taskRevoked.connect(() => void ended++);
  const here = testFolder('state');
  const stateDb = join(here, '%n.state');
  const idsIn = (name: string): ReadonlySet<string> => {
    const { ids } = JSON.parse(readFileSync(join(here, `${name}.state`), 'utf8')) as {
      readonly ids: readonly [string, number][];
    };
    return new Set(ids.map(([id]) => id));
  };
  // These do not serve the queue of the tasks.
  const bystander = (name: string): Promise<Worker> =>
    startWorker(s.app, { hostname: `${name}@h`, queues: [`${s.queue}-other`], stateDb });
  const sent = await Promise.all(Array.from({ length: 150 }, () => send({ countdown: 4 })));
  const revoked = new Set(sent.map(({ id }) => id));
  const first = await bystander('one');
  await s.app.control.revoke([...revoked]);
  await soon(async () => expect(new Set(await revokedBy(first, s))).toEqual(revoked));
  const second = await bystander('two');
  await soon(() => expect(idsIn('two')).toEqual(revoked));
  // As one finds it that is killed and comes again alone.
  copyFileSync(join(here, 'two.state'), join(here, 'three.state'));
  await Promise.all([first.stop(), second.stop()]);
  await using _fourth = await bystander('four');
  await using third = await startWorker(s.app, { hostname: 'three@h', stateDb });
  expect(new Set(await revokedBy(third, s))).toEqual(revoked);
  // The third told it when it asked.
  await soon(() => expect(idsIn('four')).toEqual(revoked));
  await soon(() => expect(ended).toBe(150));
  expect(ran).toEqual([]);
});

it('what others know to be revoked and is parked ends when a worker of its queue asks them', async () => {
  await using s = await setup(() => ({ brokerUrl: redisUrl() }));
  const { ran, send } = tasks(s);
  {
    await using _parking = await startWorker(s.app, { hostname: 'zero@h', mingle: false });
    await Promise.all(Array.from({ length: 150 }, () => send({ countdown: 86_400 })));
    await soon(async () => expect(await s.counts()).toMatchObject({ ready: 0, parked: 150 }));
  }
  const waiting = await s.app.queue().peek({ limit: 150 });
  const ids = waiting.map(({ id }) => id!);
  await using first = await startWorker(s.app, { hostname: 'one@h', queues: [`${s.queue}-other`] });
  await s.app.control.revoke(ids);
  await soon(async () => expect(await revokedBy(first, s)).toHaveLength(150));
  expect(await s.counts()).toMatchObject({ ready: 0, parked: 150 });
  await using _second = await startWorker(s.app, { hostname: 'two@h' });
  await soon(async () => expect(await s.counts()).toMatchObject({ ready: 0, parked: 0 }));
  expect(ran).toEqual([]);
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
