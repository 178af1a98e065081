// The picture of a cluster: the same whatever the order of events, bounded, and true to what Celery's programs sent.
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClusterState, type ReceivedEvent, ratePerSecond, startCamera } from '../../../src/event/index.ts';
import { parseEvent } from '../../../src/protocol/index.ts';

const at = (type: string, timestamp: number, fields: Record<string, unknown> = {}): ReceivedEvent => ({
  ...parseEvent({
    hostname: 'w@h',
    pid: 1,
    utcoffset: 0,
    clock: Math.round(timestamp * 10),
    timestamp,
    type,
    uuid: 't',
    ...fields,
  }),
  localReceived: timestamp,
});
const clockAt = (now: number) => ({ now: () => now, monotonic: () => now * 1000 });

function pictureOf(events: readonly ReceivedEvent[]): unknown {
  const state = new ClusterState({ clock: clockAt(100) });
  for (const event of events) state.add(event);
  return state.tasks({ newestFirst: false }).map((task) => task);
}

const retried: readonly ReceivedEvent[] = [
  at('task-sent', 9, { hostname: 'gen1@h', clock: 900, name: 'add', args: '(1,)', kwargs: '{}', retries: 0, queue: 'q' }),
  at('task-received', 1, { name: 'add', args: '(1,)', kwargs: '{}', retries: 0, root_id: 't', parent_id: 'p' }),
  at('task-started', 2),
  at('task-retried', 3, { exception: "E('x')", traceback: 'tb' }),
  at('task-received', 4, { hostname: 'w2@h', name: 'add', args: '(1,)', kwargs: '{}', retries: 1, root_id: 't', parent_id: 'p' }),
  at('task-started', 5, { hostname: 'w2@h' }),
  at('task-progress', 6, { hostname: 'w2@h', step: 1 }),
  at('task-succeeded', 7, { hostname: 'w2@h', result: '1', runtime: 0.5 }),
];

test('a task that was retried ends as its last attempt did', () => {
  expect(pictureOf(retried)).toMatchObject([
    {
      ...{ uuid: 't', state: 'SUCCESS', isReady: true, timestamp: 7, worker: 'w2@h', client: 'gen1@h', name: 'add', retries: 1 },
      ...{ sent: 9, received: 4, started: 5, retried: 3, succeeded: 7, result: '1', runtime: 0.5, queue: 'q', parentId: 'p' },
      ...{ custom: { step: 1 }, exception: "E('x')" },
    },
  ]);
});

test('shuffled and doubled events make the same picture', () => {
  const expected = pictureOf(retried);
  const orders = fc.shuffledSubarray([...retried, ...retried], { minLength: retried.length * 2, maxLength: retried.length * 2 });
  fc.assert(
    fc.property(orders, (events) => {
      expect(pictureOf(events)).toEqual(expected);
    }),
  );
});

test('at every moment the state is that of the last event that counts', () => {
  const state = new ClusterState({ clock: clockAt(10) });
  const states = retried.map((event) => {
    state.add(event);
    return state.task('t')?.state;
  });
  expect(states).toEqual(['PENDING', 'RECEIVED', 'STARTED', 'RETRY', 'RECEIVED', 'STARTED', 'PROGRESS', 'SUCCESS']);
});

test.each([
  [['task-succeeded', 'task-started'], 'SUCCESS'],
  [['task-failed', 'task-succeeded'], 'SUCCESS'],
  [['task-succeeded', 'task-failed'], 'SUCCESS'],
  [['task-succeeded', 'task-retried'], 'SUCCESS'],
  [['task-failed', 'task-revoked'], 'FAILURE'],
  [['task-started', 'task-received'], 'STARTED'],
  [['task-started', 'task-rejected', 'task-received'], 'RECEIVED'],
  [['task-started', 'task-cancelled', 'task-received', 'task-started'], 'STARTED'],
  [['task-retried', 'task-received'], 'RECEIVED'],
])('%j in that order make %s', (types, expected) => {
  expect(pictureOf(types.map((type, index) => at(type, index + 1)))).toMatchObject([{ state: expected }]);
});

test('a task that is sent again after it failed has a new life', () => {
  const again = [at('task-received', 1, { retries: 0 }), at('task-failed', 2), at('task-received', 3, { retries: 1 })];
  expect(pictureOf(again)).toMatchObject([{ state: 'RECEIVED', isReady: false, retries: 1 }]);
});

test('workers are alive while their heart beats, keep what a heartbeat leaves out, and go when they say so', () => {
  let now = 100;
  const left: string[] = [];
  const state = new ClusterState({
    clock: { now: () => now, monotonic: () => 0 },
    onNodeLeave: ({ hostname }) => void left.push(hostname),
  });
  state.add(at('worker-online', 100, { freq: 2, active: 1, processed: 5, loadavg: [1, 2, 3], sw_ident: 'py-celery' }));
  now = 103;
  expect(state.aliveWorkers()).toHaveLength(1);
  state.add(at('worker-heartbeat', 103, { freq: 5 }));
  expect(state.worker('w@h')).toMatchObject({ freq: 5, active: 1, processed: 5, swIdent: 'py-celery', heartbeats: [100, 103] });
  now = 112.9;
  expect(state.aliveWorkers()).toHaveLength(1);
  now = 113;
  expect(state.aliveWorkers()).toHaveLength(0);
  state.add(at('task-started', 113));
  expect(state.aliveWorkers()).toHaveLength(1);
  state.add(at('worker-offline', 114, { freq: 5 }));
  expect([state.aliveWorkers(), left]).toEqual([[], ['w@h']]);
  expect(state.forgetWorkers(0).map(({ hostname }) => hostname)).toEqual(['w@h']);
});

test('tasks are found by name, worker, state and parent, also when the name comes late', () => {
  const state = new ClusterState({ clock: clockAt(10) });
  state.add(at('task-started', 2, { uuid: 'a' }));
  expect(state.tasks({ worker: 'w@h' }).map(({ uuid }) => uuid)).toEqual(['a']);
  state.add(at('task-received', 1, { uuid: 'a', name: 'add', parent_id: 'p' }));
  state.add(at('task-received', 3, { uuid: 'b', name: 'mul', hostname: 'x@h', parent_id: 'p' }));
  expect(state.tasks({ name: 'add' }).map(({ uuid }) => uuid)).toEqual(['a']);
  expect(state.tasks({ state: 'RECEIVED' }).map(({ uuid }) => uuid)).toEqual(['b']);
  expect(state.tasks({ limit: 1 }).map(({ uuid }) => uuid)).toEqual(['b']);
  expect(state.children('p').map(({ uuid }) => uuid)).toEqual(['a', 'b']);
  expect(state.taskTypes()).toEqual(['add', 'mul']);
  expect(Object.fromEntries(state.counts())).toEqual({ STARTED: 1, RECEIVED: 1 });
});

test('what a program tells of its own things makes no task and no worker, whatever fields it has', () => {
  const state = new ClusterState({ clock: clockAt(10) });
  state.add(at('order-paid', 1, { uuid: 'order-1', hostname: 'gen1@h' }));
  expect([state.tasks(), state.workers(), state.eventCount]).toEqual([[], [], 1]);
  state.add(at('task-progress', 2, { uuid: 'a' }));
  state.add(at('worker-moved', 3, { hostname: 'x@h' }));
  expect(state.tasks().map(({ state: of }) => of)).toEqual(['PROGRESS']);
  expect(state.workers().map(({ hostname }) => hostname)).toEqual(['w@h', 'x@h']);
});

test('a worker of which a peer knows no numbers keeps those that it had', () => {
  const state = new ClusterState({ clock: clockAt(10) });
  state.add(at('worker-online', 1, { freq: 2, active: 1 }));
  state.add(at('worker-heartbeat', 2, { freq: null, active: null }));
  expect(state.worker('w@h')).toMatchObject({ freq: 2, active: 1 });
});

test('a camera that clears keeps workers and what is under way, and begins to count anew', async () => {
  const state = new ClusterState({ clock: clockAt(10) });
  state.add(at('worker-heartbeat', 1, { freq: 2 }));
  state.add(at('task-received', 2, { uuid: 'a' }));
  state.add(at('task-received', 3, { uuid: 'b' }));
  state.add(at('task-succeeded', 4, { uuid: 'b' }));
  const shots: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const live = { state, freezeWhile: async <T>(work: () => T | Promise<T>): Promise<T> => work() };
  await using _camera = startCamera(live, {
    every: 0.001,
    clearAfter: true,
    take: ({ eventCount, taskCount }) => {
      shots.push([eventCount, taskCount, state.tasks().map(({ uuid }) => uuid), state.workers().length]);
      if (shots.length === 2) resolve();
    },
  });
  await promise;
  expect(shots.slice(0, 2)).toEqual([
    [4, 2, ['b', 'a'], 1],
    [0, 0, ['a'], 1],
  ]);
});

test('the oldest tasks and workers go, with all that points to them', () => {
  const state = new ClusterState({ maxTasks: 3, maxWorkers: 2, clock: clockAt(10) });
  for (let n = 0; n < 10; n++)
    state.add(at('task-received', n, { uuid: `${n}`, name: `name${n}`, hostname: `w${n}@h`, parent_id: `p${n}` }));
  expect(state.tasks().map(({ uuid }) => uuid)).toEqual(['9', '8', '7']);
  expect(state.workers().map(({ hostname }) => hostname)).toEqual(['w8@h', 'w9@h']);
  expect(state.taskTypes()).toEqual(['name7', 'name8', 'name9']);
  expect(state.children('p1')).toEqual([]);
  expect([state.eventCount, state.taskCount]).toEqual([10, 10]);
  state.add(at('task-succeeded', 20, { uuid: '8' }));
  state.clearTasks();
  expect(state.tasks().map(({ uuid }) => uuid)).toEqual(['9', '7']);
  state.clear({ ready: false });
  expect([state.tasks(), state.workers(), state.eventCount]).toEqual([[], [], 0]);
});

test('one task with events without end keeps its beginning and its end', () => {
  const state = new ClusterState({ clock: clockAt(10) });
  state.add(at('task-received', 1, { name: 'add' }));
  for (let n = 2; n < 500; n++) state.add(at('task-progress', n, { step: n }));
  expect(state.task('t')).toMatchObject({ name: 'add', state: 'PROGRESS', custom: { step: 499 } });
});

test('what real workers sent makes the picture that Celery makes of it', () => {
  const folder = new URL('../../vectors/', import.meta.url);
  const state = new ClusterState({ clock: clockAt(1_795_458_600) });
  for (const file of readdirSync(folder).filter((name) => name.startsWith('event-'))) {
    const { published } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { published: { body: { json: unknown } }[] };
    for (const { body } of published) for (const wire of [body.json].flat()) state.add(parseEvent(wire));
  }
  const states = Object.fromEntries(state.tasks().map(({ uuid, state: of }) => [uuid, of]));
  expect(states).toMatchObject({
    ...{ 'wk-success': 'SUCCESS', 'wk-failure': 'FAILURE', 'wk-retry': 'RETRY', 'wk-expired': 'REVOKED', 'wk-reject': 'FAILURE' },
  });
  expect(state.task('wk-success')).toMatchObject({
    name: 'proj.add',
    args: '(2, 2)',
    result: '4',
    worker: 'worker1@host.example',
  });
  expect(state.worker('worker1@host.example')).toMatchObject({ swIdent: 'py-celery', swVer: '5.6.2' });
});

test('rates of cameras', () => {
  expect([ratePerSecond('10/m'), ratePerSecond(2), ratePerSecond('7200/h')]).toEqual([10 / 60, 2, 2]);
  expect(() => ratePerSecond('often')).toThrow("'often' is no rate");
});
