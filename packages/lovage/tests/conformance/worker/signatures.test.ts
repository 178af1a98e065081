// Signatures in headers, through a whole worker on each broker: what was signed runs, whatever way it goes; what was not, was changed,
// was sent elsewhere or is sent again does not, and stops nobody.
import { Buffer } from 'node:buffer';
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/app/index.ts';
import { DEFAULT_DEAD_LETTERS, deadLetterDeclaration, deadLetterQueue, type Outgoing } from '../../../src/broker/index.ts';
import { chain, chord } from '../../../src/canvas/index.ts';
import { Reject } from '../../../src/index.ts';
import { createResultCodec } from '../../../src/result/index.ts';
import { SIGNATURE_HEADER } from '../../../src/security/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { inRequest, startFaultProxy } from '../../faults/harness/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { brokers, empty, places, type Setup, setup } from './places.ts';

const secret = 'a secret of the shop that is long enough';
const SIGNED: SettingsInput = { signingKeys: { k1: secret }, signingKey: 'k1', signingRequired: true };
const soon = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: 15_000, interval: 20 });

function tasksOf({ app }: Setup) {
  const ran: string[] = [];
  const note = app.task('note', { ignoreResult: true }, (what: string) => void ran.push(what));
  const add = app.task('add', (x: number, y: number) => x + y);
  const sum = app.task('sum', (parts: readonly number[]) => parts.reduce((all, part) => all + part, 0));
  const twice = app.task('twice', { bind: true, defaultRetryDelay: 0 }, (context) => {
    if (context.request.retries === 0) throw context.retry();
    return context.request.retries;
  });
  return { ran, note, add, sum, twice };
}

/** The message of a call, as it would leave. */
function signed(app: Lovage, task: string, args: readonly unknown[]): Outgoing {
  const [call] = app.publisher.prepare([{ task, args, kwargs: {}, options: {} }]);
  if (call === undefined) throw new Error('nothing was prepared');
  return call.message;
}

const send = async (app: Lovage, ...messages: readonly Outgoing[]): Promise<void> =>
  (await app.openBroker('write')).publish(messages, { signal: AbortSignal.timeout(10_000) });

const reasons = async ({ app, queue }: Setup): Promise<readonly string[]> =>
  (await app.deadLetters(queue).list()).map(({ death }) => `${death?.reason}: ${death?.error}`);

const withHeaders = (message: Outgoing, headers: Readonly<Record<string, unknown>>): Outgoing => ({
  ...message,
  headers: { ...message.headers, ...headers },
});

describe.concurrent.each(places)('signed headers on %s', (name, place) => {
  it('cannot be given another time in the broker: the signature covers it', async () => {
    await using s = await setup(place, SIGNED);
    const { note } = tasksOf(s);
    const { id } = await note.applyAsync(['later'], { countdown: 3600 });
    const queue = s.app.queue(s.queue);
    for (const change of [() => queue.runNow(id), () => queue.reschedule(id, { countdown: 5 })])
      await expect(change()).rejects.toThrow('a signature covers the time');
  });

  it('end when they are revoked, also while they are parked', async () => {
    await using s = await setup(place, SIGNED);
    const { note } = tasksOf(s);
    await using _worker = await startWorker(s.app);
    // Nobody can look for what RabbitMQ has parked.
    const later = await note.applyAsync(['later'], { countdown: name.startsWith('amqp') ? 3 : 86_400 });
    const ended = Promise.withResolvers<string>();
    s.app.signals.taskRevoked.connect(({ request }) => ended.resolve(request.id));
    await s.app.control.revoke(later.id);
    expect(await ended.promise).toBe(later.id);
  });

  it('run: a call, a delay, a retry, a chain and a chord', async () => {
    await using s = await setup(place, { ...SIGNED, resultChordJoinTimeout: 10 });
    const { add, sum, twice } = tasksOf(s);
    await using _worker = await startWorker(s.app, { concurrency: 4 });
    const results = [
      await add.delay(1, 2),
      await add.applyAsync([2, 2], { countdown: 0.2 }),
      await twice.delay(),
      await chain([add.s(1, 1), add.s(3)]).delay(),
      ...(name === 'amqp with rpc' ? [] : [await chord([add.s(1, 1), add.s(2, 2)], sum.s()).delay()]),
    ];
    const values = await Promise.all(results.map((result) => result.get({ timeout: 20 })));
    expect(values).toEqual([3, 4, 1, 5, 6].slice(0, values.length));
    expect(await s.counts()).toEqual(empty);
  });
});

// One on the shared Redis: a janitor takes what it finds there, whose it is does not matter.
const counting = places.filter(([name]) => ['memory', 'sqlite, one file', 'redis'].includes(name));

describe.concurrent.each(counting)('chords on %s', (_, place) => {
  it('of somebody who has no key: a body that a store was made to keep is not sent, that of members who may is', async () => {
    await using s = await setup(place, SIGNED);
    const { ran, add, sum } = tasksOf(s);
    const { serialization } = s.app;
    const accept = serialization.accept(['json']);
    const plain = createResultCodec({ serialization, serializer: 'json', accept, expires: 60, errors: s.app.errors });
    const store = (await s.app.openBackend()).chords;
    // Two that seem to wait for a janitor, the forged one first.
    for (const [what, { chords }] of [
      ['forged', plain],
      ['signed', s.app.results],
    ] as const) {
      const groupId = uuid();
      const options = { task_id: uuid() };
      const body = { task: 'note', args: [what], kwargs: {}, options, subtask_type: null, immutable: true };
      const header = [[groupId, null], []] as const;
      await store?.open([chords.opening({ groupId, size: 1, body, header, nested: false, expires: 60 })]);
      const part = { groupId, index: 0, id: uuid(), state: 'SUCCESS', result: 1, callback: { body } } as const;
      expect(await store?.join([chords.part(part)])).toHaveLength(1);
    }
    await using _worker = await startWorker(s.app, { concurrency: 4, staleChords: 1 });
    expect(await (await chord([add.s(1, 1), add.s(2, 2)], sum.s()).delay()).get({ timeout: 20 })).toBe(6);
    await soon(async () => expect(ran).toContain('signed'));
    await soon(async () => expect(await s.counts()).toEqual(empty));
    expect(ran).toEqual(['signed']);
  });
});

describe.concurrent.each(brokers)('refused on %s', (_, place) => {
  it('what was not signed, was changed, is too old or of an unknown key', async () => {
    await using s = await setup(place, { ...SIGNED, signingWindow: 60 });
    const { ran } = tasksOf(s);
    const { brokerUrl, resultBackend } = s.app.settings;
    const other = (settings: SettingsInput, now = Date.now() / 1000): Lovage => {
      const clock = { now: () => now, monotonic: () => performance.now() };
      const app = new Lovage(
        'other',
        { brokerUrl, resultBackend, taskDefaultQueue: s.queue, ...settings },
        { environment: {}, clock },
      );
      onTestFinished(() => app.close());
      return app;
    };
    const { signingRequired: _required, ...signing } = SIGNED;
    const good = signed(s.app, 'note', ['good']);
    const header = String(good.headers[SIGNATURE_HEADER]);
    const cases: readonly (readonly [Outgoing, RegExp])[] = [
      [signed(other({}), 'note', ['unsigned']), /is not signed/],
      [withHeaders(good, { task: 'add' }), /does not fit/],
      [withHeaders(good, { id: uuid() }), /does not fit/],
      [withHeaders(good, { retries: 1 }), /does not fit/],
      [withHeaders(good, { eta: '2020-01-01T00:00:00+00:00' }), /does not fit/],
      [withHeaders(good, { expires: '2090-01-01T00:00:00+00:00' }), /does not fit/],
      [{ ...good, body: Buffer.from('[["bad"], {}, null]') }, /does not fit/],
      [withHeaders(good, { [SIGNATURE_HEADER]: header.replace(/^1\.k1\.\d+/, '1.k1.1900000000') }), /does not fit/],
      [withHeaders(good, { [SIGNATURE_HEADER]: header.replace('k1', 'k2') }), /key 'k2', which signingKeys does not have/],
      [withHeaders(good, { [SIGNATURE_HEADER]: { '1': true } }), /none that this version reads/],
      [{ ...signed(s.app, 'note', ['x']), headers: {} }, /is not signed/],
      [signed(other({ ...signing, signingKeys: { k1: `${secret}!` } }), 'note', ['forged']), /does not fit/],
      [signed(other(signing, Date.now() / 1000 - 100), 'note', ['old']), /is \d+ s old; the setting signingWindow allows 60/],
      [signed(other(signing, Date.now() / 1000 + 1000), 'note', ['early']), /ahead of this machine's clock/],
      [
        { ...signed(other({ ...signing, taskDefaultQueue: 'elsewhere' }), 'note', ['y']), routingKey: s.queue },
        /was signed for \["elsewhere"\]/,
      ],
    ];
    await (await s.app.openBroker('write')).declare({
      exchanges: [],
      queues: [s.app.queues.get(s.queue).declaration],
      bindings: [],
    });
    await send(s.app, ...cases.map(([message]) => message));
    await using _worker = await startWorker(s.app);
    await send(s.app, good);
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: cases.length }));
    await soon(async () => expect(ran).toEqual(['good']));
    const dead = await reasons(s);
    const unmet = cases.filter(
      ([, words]) => !dead.some((reason) => reason.startsWith('refused-signature') && words.test(reason)),
    );
    expect(
      unmet.map(([, words]) => String(words)),
      dead.join('\n'),
    ).toEqual([]);
  });

  it('a copy of what has run, until its sender sends it again', async () => {
    await using s = await setup(place, SIGNED);
    const { ran, note } = tasksOf(s);
    await using _worker = await startWorker(s.app);
    await note.delay('first');
    await soon(async () => expect(ran).toEqual(['first']));
    const message = signed(s.app, 'note', ['once']);
    await send(s.app, message);
    await soon(async () => expect(ran).toEqual(['first', 'once']));
    await send(s.app, message, message);
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: 2 }));
    expect((await reasons(s)).every((reason) => /this is a copy/.test(reason))).toBe(true);
    // Who may sign may send it again.
    expect(await s.app.deadLetters(s.queue).resend({ limit: 1 })).toHaveLength(1);
    await soon(async () => expect(ran).toEqual(['first', 'once', 'once']));
  });

  it('a copy that says of itself that it was started before', async () => {
    await using s = await setup(place, SIGNED);
    const { ran, note } = tasksOf(s);
    await using _worker = await startWorker(s.app);
    const message = signed(s.app, 'note', ['once']);
    await send(s.app, message);
    await soon(async () => expect(ran).toEqual(['once']));
    // Beside a message that is still in hand a second copy just ends; two turns later it is not.
    for (const other of ['second', 'third']) {
      await note.delay(other);
      await soon(async () => expect(ran).toContain(other));
    }
    await send(s.app, withHeaders(message, { 'x-lovage-attempts': 1, redelivered: true }));
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: 1 }));
    expect((await reasons(s))[0]).toMatch(/this is a copy/);
    expect(ran).toEqual(['once', 'second', 'third']);
  });

  it.each([true, false])('not what its task gave back (acksLate: %s)', async (acksLate) => {
    await using s = await setup(place, SIGNED);
    let starts = 0;
    const shy = s.app.task('shy', { acksLate }, () => {
      if (++starts === 1) throw new Reject('not yet', { requeue: true });
      return starts;
    });
    await using _worker = await startWorker(s.app);
    const result = await shy.delay();
    expect(await result.get({ timeout: 15 })).toBe(2);
    expect(await s.counts()).toEqual(empty);
  });

  it('what lies among the dead of another queue gets no signature for it', async () => {
    await using s = await setup(place, SIGNED);
    const { ran } = tasksOf(s);
    const elsewhere = new Lovage('elsewhere', { ...s.app.settings, taskDefaultQueue: `${s.queue}-low` }, { environment: {} });
    onTestFinished(() => elsewhere.close());
    const message = signed(elsewhere, 'note', ['moved']);
    const death = { reason: 'failed', origin: { queue: s.queue, exchange: '', routing_key: s.queue } };
    await (await s.app.openBroker('write')).declare({
      exchanges: [],
      queues: [s.app.queues.get(s.queue).declaration, deadLetterDeclaration(s.queue, DEFAULT_DEAD_LETTERS)],
      bindings: [],
    });
    await send(s.app, {
      ...withHeaders(message, { 'x-lovage-death': death }),
      exchange: '',
      routingKey: deadLetterQueue(s.queue),
    });
    expect(await s.app.deadLetters(s.queue).resend()).toHaveLength(1);
    await using _worker = await startWorker(s.app);
    await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: 1 }));
    expect((await reasons(s))[0]).toMatch(/^refused-signature: The message was signed for \["[\w-]+-low/);
    expect(ran).toEqual([]);
  });

  it('a copy of what has its result, by a worker that has never seen it', async () => {
    await using s = await setup(place, SIGNED);
    tasksOf(s);
    const message = signed(s.app, 'add', [1, 2]);
    {
      await using _worker = await startWorker(s.app);
      await send(s.app, message);
      expect(await s.app.result(String(message.headers.id)).get({ timeout: 15 })).toBe(3);
    }
    await using worker = await startWorker(s.app);
    await send(s.app, message);
    await soon(async () => expect(await s.counts()).toEqual(empty));
    expect(worker.facts).toBeDefined();
  });
});

describe('keys', () => {
  const [, memory = () => ({})] = brokers[0] ?? [];
  const pair = generateKeyPairSync('ed25519');
  const pem = {
    secret: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    open: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };

  it('a pair signs with one half and is checked with the other; old keys stay good while they are listed', async () => {
    await using s = await setup(memory, { signingKeys: { pair: pem.open, old: secret }, signingRequired: ['worker-*'] });
    const { ran } = tasksOf(s);
    await using _worker = await startWorker(s.app);
    const brokerUrl = String(s.app.settings.brokerUrl);
    for (const [signingKey, key] of Object.entries({ pair: pem.secret, old: secret })) {
      await using sender = new Lovage('sender', {
        brokerUrl,
        resultBackend: brokerUrl,
        taskDefaultQueue: s.queue,
        signingKeys: { [signingKey]: key },
        signingKey,
      });
      await sender.sendTask('note', { args: [signingKey] });
    }
    await soon(async () => expect(ran).toEqual(['pair', 'old']));
  });

  it('a queue that asks for none takes what comes', async () => {
    await using s = await setup(memory, { signingKeys: { k1: secret }, signingRequired: ['payments'] });
    const { ran, note } = tasksOf(s);
    await using _worker = await startWorker(s.app);
    await note.delay('plain');
    await soon(async () => expect(ran).toEqual(['plain']));
    expect(deadLetterQueue(s.queue)).toBeDefined();
  });

  it.each<[SettingsInput, RegExp]>([
    [{ signingKeys: { k1: 'short' } }, /at least 32 bytes/],
    [{ signingKeys: { 'a.b': secret } }, /key ids of up to 64 letters/],
    [{ signingKey: 'k1' }, /signingKeys has no key of that id/],
    [{ signingRequired: true }, /signingKeys has no key that could check one/],
    [{ signingKeys: { k1: { file: '/nowhere' } }, signingRequired: true }, /key 'k1' \(setting signingKeys\) cannot be read/],
    [{ signingKeys: { k1: '-----BEGIN PRIVATE KEY-----\nx' }, signingKey: 'k1' }, /no key in PEM that can be read/],
    [{ signingKeys: { k1: pem.open }, signingKey: 'k1' }, /is a public key, which checks signatures and makes none/],
  ])('%o is refused', async (settings, words) => {
    const url = `memory://${uuid()}`;
    const act = async (): Promise<void> => {
      const app = new Lovage('keys', { brokerUrl: url, resultBackend: url, ...settings }, { environment: {} });
      const note = app.task('note', () => 1);
      const worker = await startWorker(app);
      onTestFinished(() => worker[Symbol.asyncDispose]());
      await note.delay();
    };
    await expect(act()).rejects.toThrow(words);
  });
});

it('a signed task of which the line is cut while its start is noted on RabbitMQ runs when it comes again', async () => {
  await using wire = await startFaultProxy(amqpUrl());
  const brokerReadUrl = wire.url(amqpUrl());
  await using s = await setup(() => ({ brokerUrl: amqpUrl(), brokerReadUrl, resultBackend: redisUrl() }), SIGNED);
  const { add } = tasksOf(s);
  const reader = await s.app.openBroker('read');
  await reader.declare({ exchanges: [], queues: [{ name: s.queue, durable: true, arguments: {} }], bindings: [] });
  const result = await add.delay(1, 2);
  // Somebody who dies holds it first, so that it comes again.
  const first = await reader.subscribe([s.queue], { prefetch: 1, node: 'first@h' });
  await first[Symbol.asyncIterator]().next();
  wire.cut();
  await first[Symbol.asyncDispose]();
  const cut = wire.trap(
    inRequest(1, ({ name, bytes }) => name === '50.10' && /lovage\.start\.[0-9a-f]{32}\./.test(bytes.toString('latin1'))),
  );
  await using _worker = await startWorker(s.app, { concurrency: 1 });
  await cut;
  expect(await result.get({ timeout: 20 })).toBe(3);
  expect(await s.counts()).toEqual(empty);
});
