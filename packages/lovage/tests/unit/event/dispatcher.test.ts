// The sender of events on the memory broker: what goes out, in which messages, and what happens when nothing can.
import { expect, test } from 'vitest';
import { type Broker, type Outgoing, openBroker } from '../../../src/broker/index.ts';
import {
  createEventOutbox,
  type Dispatcher,
  type DispatcherOptions,
  createDispatcher as dispatcherOf,
  type EventHost,
  type EventKind,
} from '../../../src/event/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { BrokerConnectionError, type Clock, EncodeError, LamportClock, uuid } from '../../../src/util/index.ts';

interface Setup extends AsyncDisposable {
  readonly host: EventHost;
  readonly sent: Outgoing[];
  /** What a publish waits for, or fails with. */
  gate: () => Promise<void> | void;
  /** How many hear what is published, as the broker says. */
  listeners: number | undefined;
  settings: { eventExchange: string; eventSerializer: string; eventUtcOffset: number | null };
}

async function setup(): Promise<Setup> {
  const broker = await openBroker({
    url: `memory://${uuid()}`,
    appName: 'shop',
    connectTimeout: 1,
    heartbeat: 0,
    transportOptions: {},
    deadLetters: { mode: 'off', ttl: 1, maxLength: 1 },
  });
  const sent: Outgoing[] = [];
  const clock: Clock = { now: () => 1700.25, monotonic: () => 0 };
  const self: Setup = {
    sent,
    gate: () => undefined,
    listeners: 1,
    settings: { eventExchange: 'celeryev', eventSerializer: 'json', eventUtcOffset: 0 },
    host: {
      get settings() {
        return self.settings;
      },
      serialization: createSerialization({}),
      lamport: new LamportClock(),
      clock,
      broker: async () => watched,
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
  const watched: Broker = {
    ...broker,
    audience: () => self.listeners,
    publish: async (messages, options) => {
      await self.gate();
      await broker.publish(messages, options);
      sent.push(...messages);
    },
  };
  return self;
}

/** A dispatcher with a way out of its own, which is closed with it. */
function createDispatcher(host: EventHost, { capacity, ...options }: DispatcherOptions & { capacity?: number }): Dispatcher {
  const outbox = createEventOutbox(host, capacity === undefined ? {} : { capacity });
  const dispatcher = dispatcherOf(host, outbox, options);
  const close = dispatcher[Symbol.asyncDispose].bind(dispatcher);
  return Object.assign(dispatcher, {
    [Symbol.asyncDispose]: async () => {
      await outbox[Symbol.asyncDispose]();
      await close();
    },
  });
}

const json = ({ body }: Outgoing): unknown => JSON.parse(Buffer.from(body).toString());
const keys = (sent: readonly Outgoing[]): string[] => sent.map(({ routingKey }) => routingKey);
const worker = (extra: Partial<DispatcherOptions> & { capacity?: number } = {}): DispatcherOptions & { capacity?: number } => ({
  hostname: 'w@h',
  pid: 7,
  groups: ['worker', 'task'],
  batched: ['task'],
  ...extra,
});

test('an event carries the envelope in the order of Celery, and goes to the topic exchange as a transient message', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, worker());
  dispatcher.send('worker-online', { freq: 2, active: 0, processed: 0, loadavg: [1, 2, 3], swIdent: 'lovage' });
  await dispatcher.flush();
  expect(it.sent).toHaveLength(1);
  const [message] = it.sent as [Outgoing];
  expect(Buffer.from(message.body).toString()).toBe(
    '{"hostname":"w@h","utcoffset":0,"pid":7,"clock":1,"freq":2,"active":0,"processed":0,"loadavg":[1,2,3],"sw_ident":"lovage","timestamp":1700.25,"type":"worker-online"}',
  );
  expect(message).toMatchObject({
    exchange: 'celeryev',
    routingKey: 'worker.online',
    headers: { hostname: 'w@h' },
    properties: { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 1, priority: 0 },
  });
});

test('task events of one turn travel together, in order with the others', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, worker());
  dispatcher.send('task-received', { uuid: 'a', name: 't', args: '(1,)' });
  dispatcher.send('task-started', { uuid: 'a' });
  dispatcher.send('worker-heartbeat', { freq: 2 });
  dispatcher.send('task-started', { uuid: 'b' });
  await dispatcher.flush();
  expect(keys(it.sent)).toEqual(['task.multi', 'worker.heartbeat', 'task.multi']);
  expect(json(it.sent[0] as Outgoing)).toMatchObject([
    { clock: 1, uuid: 'a', type: 'task-received', args: '(1,)' },
    { clock: 2, uuid: 'a', type: 'task-started' },
  ]);
  expect(json(it.sent[2] as Outgoing)).toMatchObject([{ clock: 4, uuid: 'b' }]);
});

test('a sender of single events sends task events one by one', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, { hostname: 'gen1@h' });
  dispatcher.send('task-sent', { uuid: 'a', rootId: 'a', parentId: null });
  dispatcher.send('task-progress', { uuid: 'a', step: 1, at: new Date(0) });
  await dispatcher.flush();
  expect(keys(it.sent)).toEqual(['task.sent', 'task.progress']);
  expect(json(it.sent[0] as Outgoing)).toMatchObject({ root_id: 'a', parent_id: null, type: 'task-sent' });
  expect(json(it.sent[1] as Outgoing)).toMatchObject({ step: 1, type: 'task-progress', clock: 2 });
});

test('only groups that are on go out, and switching tells whether it changed anything', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, worker({ groups: ['worker'] }));
  expect(dispatcher.passes('task')).toBe(false);
  dispatcher.send('task-started', { uuid: 'a' });
  expect([dispatcher.enable('task'), dispatcher.enable('task')]).toEqual([true, false]);
  dispatcher.send('task-started', { uuid: 'b' });
  expect([dispatcher.disable('task'), dispatcher.disable('task')]).toEqual([true, false]);
  dispatcher.send('task-started', { uuid: 'c' });
  await dispatcher.flush();
  expect(it.sent.map(json)).toMatchObject([[{ uuid: 'b' }]]);
});

test('the setting eventSerializer decides how they are written', async () => {
  await using it = await setup();
  it.settings = { ...it.settings, eventSerializer: 'msgpack' };
  await using dispatcher = createDispatcher(it.host, worker());
  dispatcher.send('task-started', { uuid: 'a' });
  dispatcher.send('task-started', { uuid: 'b' });
  await dispatcher.flush();
  const [message] = it.sent as [Outgoing];
  expect(message.properties.contentType).toBe('application/x-msgpack');
  const serialization = createSerialization({});
  const { contentType, contentEncoding } = message.properties;
  const events = serialization.decode({ body: message.body, contentType, contentEncoding }, serialization.accept(['msgpack']));
  expect(events).toMatchObject([{ uuid: 'a', type: 'task-started' }, { uuid: 'b' }]);
});

test('fields that cannot be written are an error of the caller, and nothing is sent', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, { hostname: 'gen1@h' });
  expect(() => dispatcher.send('task-progress', { bad: () => 1 })).toThrow(EncodeError);
  await dispatcher.flush();
  expect(it.sent).toEqual([]);
});

const started = (): { kind: EventKind<string>; written: string[] } => {
  const written: string[] = [];
  const members = (uuid: string): string => {
    written.push(uuid);
    return `"uuid":"${uuid}"`;
  };
  return { written, kind: { type: 'task-started', fields: (uuid) => ({ uuid }), members } };
};

test('an event that is written late says when it was made, by hand as by fields', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, worker());
  const { kind } = started();
  dispatcher.sendLater(kind, 'a');
  dispatcher.sendLater({ type: kind.type, fields: kind.fields }, 'b');
  dispatcher.send('task-started', { uuid: 'c' });
  await dispatcher.flush();
  const event = { hostname: 'w@h', utcoffset: 0, pid: 7, timestamp: 1700.25, type: 'task-started' };
  const expected = [
    { ...event, clock: 1, uuid: 'a' },
    { ...event, clock: 2, uuid: 'b' },
    { ...event, clock: 3, uuid: 'c' },
  ];
  expect(it.sent.map(json)).toEqual([expected]);
});

test('of events that nobody hears one asks for all, and the others are not written', async () => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, worker());
  const { kind, written } = started();
  it.listeners = 0;
  for (const uuid of ['a', 'b']) dispatcher.sendLater(kind, uuid);
  await dispatcher.flush();
  expect(written).toEqual(['a', 'b']);
  for (const uuid of ['c', 'd', 'e']) dispatcher.sendLater(kind, uuid);
  await dispatcher.flush();
  expect(written).toEqual(['a', 'b', 'c']);
  expect(dispatcher.info()).toEqual({ sent: 5, dropped: 0, waiting: 0 });
});

test.each([1, undefined])('who listens before events leave hears them all, in order (%s)', async (listeners) => {
  await using it = await setup();
  await using dispatcher = createDispatcher(it.host, worker());
  const { kind, written } = started();
  it.listeners = 0;
  dispatcher.sendLater(kind, 'before');
  await dispatcher.flush();
  for (const uuid of ['a', 'b']) dispatcher.sendLater(kind, uuid);
  dispatcher.send('worker-heartbeat', { freq: 2 });
  dispatcher.sendLater(kind, 'c');
  it.listeners = listeners;
  await dispatcher.flush();
  expect(written).toEqual(['before', 'a', 'b', 'c']);
  expect(keys(it.sent)).toEqual(['task.multi', 'task.multi', 'worker.heartbeat', 'task.multi']);
});

test('an event that leaves by itself asks for no array, though it is of the same group', async () => {
  await using it = await setup();
  await using outbox = createEventOutbox(it.host);
  await using app = dispatcherOf(it.host, outbox, { hostname: 'gen1@h' });
  await using dispatcher = dispatcherOf(it.host, outbox, worker());
  const { kind, written } = started();
  it.listeners = 0;
  dispatcher.sendLater(kind, 'before');
  await dispatcher.flush();
  it.listeners = 1;
  app.send('task-sent', { uuid: 'a' });
  for (const uuid of ['a', 'b']) dispatcher.sendLater(kind, uuid);
  await dispatcher.flush();
  expect(written).toEqual(['before', 'a', 'b']);
  expect(keys(it.sent)).toEqual(['task.multi', 'task.sent', 'task.multi', 'task.multi']);
});

test('behind a slow broker the oldest fall from the ring and are counted', async () => {
  await using it = await setup();
  const { promise, resolve } = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  it.gate = () => {
    began.resolve();
    return promise;
  };
  await using dispatcher = createDispatcher(it.host, worker({ capacity: 10 }));
  dispatcher.send('task-started', { uuid: 'first' });
  await began.promise;
  for (let n = 0; n < 25; n++) dispatcher.send('task-started', { uuid: `${n}` });
  expect(dispatcher.info()).toEqual({ sent: 0, dropped: 15, waiting: 10 });
  resolve();
  await dispatcher.flush();
  await dispatcher.flush();
  expect(dispatcher.info()).toEqual({ sent: 11, dropped: 15, waiting: 0 });
  expect((it.sent.flatMap(json) as { uuid: string }[]).map((event) => event.uuid)).toEqual([
    'first',
    ...Array.from({ length: 10 }, (_, n) => `${n + 15}`),
  ]);
});

test('what a broker surely did not take is sent when it is back, in order; the end does not wait for it', async () => {
  await using it = await setup();
  let failures = 1;
  it.gate = () => {
    if (failures-- > 0) throw new BrokerConnectionError('away');
  };
  const dispatcher = createDispatcher(it.host, worker());
  dispatcher.send('task-started', { uuid: 'a' });
  await dispatcher.flush();
  expect(dispatcher.info()).toEqual({ sent: 0, dropped: 0, waiting: 1 });
  dispatcher.send('task-started', { uuid: 'b' });
  await dispatcher[Symbol.asyncDispose]();
  expect(it.sent.map(json)).toMatchObject([[{ uuid: 'a' }, { uuid: 'b' }]]);
  dispatcher.send('task-started', { uuid: 'late' });
  expect(dispatcher.info()).toEqual({ sent: 2, dropped: 0, waiting: 0 });
});
