// `app.events` on every broker: what a worker and a publisher say is heard, through lost lines too, and nothing is left behind.
import { describe, expect, test, vi } from 'vitest';
import type { Lovage } from '../../../src/app/index.ts';
import { chain } from '../../../src/canvas/index.ts';
import type { EventStream, StreamEvent } from '../../../src/event/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { startProxy } from '../../support/proxy.ts';
import { amqpUrl, redisUrl } from '../../support/servers.ts';
import { type Place, places, type Setup, setup } from '../worker/places.ts';

const chosen = places.filter(([name]) => ['memory', 'sqlite, one file', 'redis', 'amqp with redis'].includes(name));
/** Brokers are shared by all tests, so each has an exchange of its own. */
const open = (place: Place): Promise<Setup> => setup(place, { eventExchange: `ev-${uuid()}`, taskSendSentEvent: true });

async function until(stream: EventStream, is: (event: StreamEvent) => boolean): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = [];
  for (let batch = await stream.batch(); batch !== undefined; batch = await stream.batch()) {
    seen.push(...batch);
    if (batch.some(is)) break;
  }
  return seen;
}

const isOf = (type: string, id?: string) => (event: StreamEvent) =>
  event.type === type && (id === undefined || ('uuid' in event && event.uuid === id));
const types = (events: readonly StreamEvent[]): string[] =>
  events.map((event) => (event.type === 'custom' ? event.name : event.type));

describe.each(chosen)('events on %s', (_, place) => {
  test('what follows a task is told of as sent, once, wherever it was sent from', async () => {
    await using it = await open(place);
    const { app } = it;
    const told: string[] = [];
    for (const name of ['beforeTaskPublish', 'afterTaskPublish'] as const)
      app.signals[name].connect(({ task }) => void told.push(`${name} ${task}`));
    const [first, second, third] = ['first', 'second', 'third'].map((name) => app.task(name, (x: number) => x + 1));
    await using stream = app.events({ types: ['task-sent'] });
    await stream.ready();
    const worker = await startWorker(app, { hostname: 'w@h' });
    // Whoever is quick follows in the place of what it follows, where that can be.
    for (let time = 0; time < 2; time++) {
      const result = await chain(first!.s(1), second!.s(), third!.s()).delay();
      expect(await result.get({ timeout: 10 })).toBe(4);
      const sent: unknown[] = [];
      while (sent.length < 3) for (const event of (await stream.batch()) ?? []) sent.push('name' in event && event.name);
      expect(sent.sort()).toEqual(['first', 'second', 'third']);
    }
    await worker.stop();
    const all = ['first', 'second', 'third'].flatMap((task) => [`beforeTaskPublish ${task}`, `afterTaskPublish ${task}`]);
    await vi.waitFor(() => expect(told.sort()).toEqual([...all, ...all].sort()), 20_000);
  });

  test('a stream hears publisher, worker and task; a live state makes a picture of it', async () => {
    await using it = await open(place);
    const { app } = it;
    const add = app.task('add', { bind: true }, (ctx, x: number, y: number) => {
      ctx.sendEvent('task-progress', { step: 1 });
      return x + y;
    });
    await using stream = app.events();
    await using live = await app.events.state();
    await stream.ready();
    const worker = await startWorker(app, { hostname: 'w@h', taskEvents: true, heartbeatInterval: 0.2 });
    const { id } = await add.delay(1, 2);
    const seen = await until(stream, isOf('task-succeeded', id));
    seen.push(...(await until(stream, isOf('worker-heartbeat'))));
    await worker.stop();
    seen.push(...(await until(stream, isOf('worker-offline'))));
    expect(types(seen)[0]).toBe('worker-online');
    expect(
      types(seen)
        .filter((type) => type.startsWith('task-'))
        .sort(),
    ).toEqual([...['task-progress', 'task-received', 'task-sent', 'task-started', 'task-succeeded']]);
    await expect.poll(() => live.state.worker('w@h')?.heartbeats).toEqual([]);
    expect(live.state.worker('w@h')).toMatchObject({ freq: 0.2, processed: 1, swIdent: 'lovage' });
    expect(live.state.task(id)).toMatchObject({
      name: 'add',
      state: 'SUCCESS',
      worker: 'w@h',
      args: '(1, 2)',
      result: '3',
      custom: { step: 1 },
    });
    expect(live.state.task(id)?.client).toMatch(/^gen/);
    expect(app.clock.value).toBeGreaterThan(4);
  });

  test('types, a limit and an abort signal end or thin a stream', async () => {
    await using it = await open(place);
    const { app } = it;
    const stop = new AbortController();
    await using thin = app.events({ types: ['shop-opened', 'task-sent'], limit: 2, wakeup: false });
    await using aborted = app.events({ signal: stop.signal });
    await Promise.all([thin.ready(), aborted.ready()]);
    const heard: string[] = [];
    const reading = (async () => {
      for await (const event of thin) heard.push(event.type === 'custom' ? event.name : event.type);
    })();
    app.events.send('shop-closed', { till: 1 });
    app.events.send('shop-opened', { till: 1 });
    app.events.send('shop-opened', { till: 2 });
    app.events.send('shop-opened', { till: 3 });
    await reading;
    expect(heard).toEqual(['shop-opened', 'shop-opened']);
    await until(aborted, (event) => event.type === 'custom' && event.fields.till === 3);
    stop.abort();
    expect(await aborted.batch()).toBeUndefined();
    await aborted[Symbol.asyncDispose]();
  });

  test('workers that gossip know each other, and answer an election', async () => {
    await using it = await open(place);
    const { app } = it;
    await using stream = app.events({ wakeup: false });
    await stream.ready();
    await using one = await startWorker(app, { hostname: 'one@h', gossip: true, heartbeatInterval: 0.1 });
    await using two = await startWorker(app, { hostname: 'two@h', gossip: true, heartbeatInterval: 0.1 });
    await expect.poll(() => one.info().gossip, { timeout: 20_000 }).toEqual({ peers: ['two@h'] });
    // Who knows the other listens itself.
    await expect.poll(() => two.info().gossip, { timeout: 20_000 }).toEqual({ peers: ['one@h'] });
    const candidacy = { id: 'e1', topic: 'task', action: {}, cver: 1 };
    // One that stands alone would die of being elected, so the first is answered along with the second.
    app.events.send('worker-elect', candidacy);
    one.host?.events?.dispatcher.send('worker-elect', candidacy);
    const seen: StreamEvent[] = [];
    const answers = (): number => seen.filter((event) => event.type === 'worker-elect-ack' && event.hostname === 'two@h').length;
    while (answers() < 2) seen.push(...((await stream.batch()) ?? []));
    const firstAnswer = seen.findIndex(isOf('worker-elect-ack'));
    expect(seen.slice(0, firstAnswer).filter(isOf('worker-elect')).length).toBe(2);
    const asked = await app.control.election('e2', 'task', {}, { wait: true, limit: 2 });
    expect(asked).toEqual({ 'one@h': { error: 'not supported' }, 'two@h': { error: 'not supported' } });
  });
});

const lines: readonly (readonly [string, () => string])[] = [
  ['redis', redisUrl],
  ['amqp', amqpUrl],
];

test.each(lines)('on %s a stream whose line was cut says so and goes on', async (_, url) => {
  await using proxy = await startProxy(url());
  await using behind = await setup(() => ({ brokerUrl: proxy.url(url()), resultBackend: redisUrl() }), {
    eventExchange: `ev-${uuid()}`,
  });
  await using direct = await setup(() => ({ brokerUrl: url(), resultBackend: redisUrl() }), {
    eventExchange: behind.app.settings.eventExchange,
  });
  const speak = (app: Lovage, n: number): void => app.events.send('shop-opened', { n });
  const says = (n: number) => (event: StreamEvent) => event.type === 'custom' && event.fields.n === n;
  const states: string[] = [];
  await using stream = behind.app.events({ wakeup: false, onState: (state) => states.push(state) });
  await stream.ready();
  speak(direct.app, 1);
  await until(stream, says(1));
  proxy.cut();
  const seen = await until(stream, isOf('gap'));
  expect(seen.at(-1)).toMatchObject({ type: 'gap', reason: 'reconnected' });
  speak(direct.app, 2);
  await until(stream, says(2));
  expect(states).toContain('lost');
});

test('a slow reader loses the oldest events, and is told how many', async () => {
  await using it = await open(places[0]?.[1] as Place);
  await using stream = it.app.events({ buffer: 10, wakeup: false });
  await stream.ready();
  await using watcher = it.app.events({ wakeup: false });
  await watcher.ready();
  for (let n = 0; n < 50; n++) it.app.events.send('shop-opened', { n });
  await until(watcher, (event) => event.type === 'custom' && event.fields.n === 49);
  const batch = (await stream.batch()) ?? [];
  expect(batch[0]).toMatchObject({ type: 'gap', reason: 'overflow', dropped: 40 });
  expect(batch).toHaveLength(11);
});

test('a camera takes snapshots of a state that stands still meanwhile', async () => {
  await using it = await open(places[0]?.[1] as Place);
  const shots: number[] = [];
  await using camera = await it.app.events.camera({
    every: 0.02,
    wakeup: false,
    take: (state) => void shots.push(state.tasks().length),
  });
  const echo = it.app.task('echo', (value: string) => value);
  await echo.delay('x');
  await expect.poll(() => shots.at(-1), { timeout: 5000 }).toBe(1);
  expect(camera.taken).toBeGreaterThan(0);
});
