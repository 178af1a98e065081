// Slots of a prefork pool that die, break or leak: the worker lives, nothing but what they ran runs again, and there is always a new one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openArena } from '../harness/arena.ts';
import { endedIds, heldBy, keepSending, residentBytes, runningOn, takenOverAfter, whenBusy } from '../harness/gestures.ts';
import { BREAK_LOADS } from '../harness/orders.ts';
import type { Scenario } from '../harness/scenario.ts';

const TASKS = join(import.meta.dirname, '../harness/hazards.ts');
const SLOTS = 3;
const applies: Scenario['applies'] = ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'];
/** How a task takes its process down; see hazards.ts. */
const WAYS = ['kill', 'segfault', 'exit 0', 'exit 1', 'throw later', 'reject later'] as const;

/** How it takes its thread down, and not the process. */
const THREAD_WAYS = ['exit 0', 'exit 1', 'throw later', 'reject later'] as const;

export const slotDeaths: Scenario = {
  id: 'slot-deaths',
  title: 'Tasks that end their process: SIGKILL, SIGSEGV, exit 0 and 1, uncaught error, rejection (prefork)',
  applies,
  daily: ['redis'],
  run: deaths('prefork', WAYS),
};

export const threadDeaths: Scenario = {
  id: 'thread-deaths',
  title: 'Tasks that end their thread: exit 0 and 1, uncaught error, rejection (threads)',
  applies,
  daily: ['redis'],
  run: deaths('threads', THREAD_WAYS),
};

function deaths(pool: 'prefork' | 'threads', ways: readonly string[]): Scenario['run'] {
  return async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const worker = await stack.worker({ name: 'worker', concurrency: SLOTS, pool, tasks: TASKS });
    const load = keepSending(producer, { perSecond: 20, args: [20] });
    const rounds = isShort ? 1 : 5;
    const recoverySeconds: number[] = [];
    const violations: string[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const [at, way] of ways.entries()) {
        const prefix = `death${round}-${at}`;
        await producer.produce({ prefix, count: 1, perSecond: 100, task: 'fault.suicide', args: [way] });
        const began = Date.now();
        // It dies at its first start only.
        const isOver = (): boolean => endedIds(arena, prefix).size === 1;
        await arena
          .until(`${way}: it has run`, stack.takeover + 30, isOver)
          .catch(() => violations.push(`${way}: it never ended`));
        recoverySeconds.push((Date.now() - began) / 1000);
      }
    }
    await load.stop();
    await arena.quiesce(stack.takeover + 30);
    if (!worker.isRunning) violations.push('the worker ended');
    return await arena.result({ inFlight: rounds * ways.length, recoverySeconds, violations });
  };
}

export const slotBroken: Scenario = {
  id: 'slot-broken',
  title: 'New slots that cannot load the app, for a while (prefork)',
  applies,
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const worker = await stack.worker({ name: 'worker', concurrency: SLOTS, pool: 'prefork', tasks: TASKS });
    const load = keepSending(producer, { perSecond: 20, args: [20] });
    await arena.until('the load flows', 30, () => endedIds(arena).size > 5);
    // Those that take the place of the dead are broken.
    writeFileSync(join(stack.folder, BREAK_LOADS), '');
    const began = Date.now();
    await producer.produce({ prefix: 'death', count: SLOTS, perSecond: 100, task: 'fault.suicide', args: ['kill'] });
    await arena.until('all have run', 60, () => endedIds(arena, 'death').size === SLOTS).catch(() => undefined);
    await load.stop();
    const seconds = (Date.now() - began) / 1000;
    await arena.quiesce(stack.takeover + 10);
    const violations = worker.isRunning ? [] : ['the worker ended'];
    return await arena.result({ inFlight: SLOTS, recoverySeconds: [seconds], violations });
  },
};

/** Bytes that each task keeps. */
const LEAK = 2_000_000;
/** Kilobytes that a slot may have. */
const MOST = 200_000;
/** Bytes by which the worker itself may grow. */
const GROWTH = 60_000_000;

export const slotLeak: Scenario = {
  id: 'slot-leak',
  title: 'Tasks that leak 2 MB each; slots renewed at their memory limit (prefork)',
  applies,
  daily: ['sqlite'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const settings = { workerMaxMemoryPerChild: MOST };
    const worker = await stack.worker({ name: 'worker', concurrency: 2, pool: 'prefork', tasks: TASKS, settings });
    const count = isShort ? 300 : 5000;
    // A worker that has not been busy yet grows once, by code and a heap for it.
    await producer.produce({ prefix: 'first', count: isShort ? 20 : 500, perSecond: 100, args: [5] });
    await arena.quiesce(20);
    const before = residentBytes(worker.pid);
    // Slowly enough that the memory of a slot is looked at while it works.
    await producer.produce({ prefix: 'leak', count, perSecond: 100, task: 'fault.leak', args: [LEAK] });
    await arena.until('all have run', 30 + count / 20, () => endedIds(arena, 'leak').size === count).catch(() => undefined);
    await arena.quiesce(stack.takeover + 10);
    const slots = new Set(arena.runs().flatMap(({ id, worker: by }) => (id.startsWith('leak') ? [by] : []))).size;
    const growth = Math.max(0, residentBytes(worker.pid) - before);
    const violations: string[] = [];
    if (slots <= 2) violations.push('no slot was renewed');
    if (growth > GROWTH) violations.push(`the worker grew by ${Math.round(growth / 1e6)} MB`);
    const note = `${count} tasks in ${slots} slots, the worker grew by ${Math.round(growth / 1e6)} MB`;
    return await arena.result({ inFlight: 0, recoverySeconds: [], violations, note });
  },
};

export const slotOrphans: Scenario = {
  id: 'slot-orphans',
  title: 'Worker with prefork slots `kill -9` (only its main process)',
  applies,
  daily: ['redis-celery'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const victim = await stack.worker({ name: 'victim', concurrency: SLOTS, pool: 'prefork' });
    // What comes back runs alone, one after the other: it is quick there, so that its starts tell when it was taken over.
    await producer.produce({ prefix: 'held', count: SLOTS, perSecond: 500, task: 'fault.once', args: [8000] });
    await whenBusy(arena, 'victim', 100);
    await arena.until('all slots are busy', 20, () => runningOn(arena, 'victim').size === SLOTS);
    // There before the fault: how long a process takes to start is no part of the promise.
    await stack.worker({ name: 'heir', concurrency: SLOTS });
    await arena.until('all slots are still busy', 1, () => runningOn(arena, 'victim').size === SLOTS);
    const at = Date.now();
    victim.signal('SIGKILL', 'alone');
    await victim.ended;
    const violations: string[] = [];
    await arena
      .until('its slots are gone', 5, () => !groupLives(victim.pid))
      .catch(() => violations.push('slots outlived their worker'));
    const held = await heldBy(arena, 'victim');
    const back = (): number | undefined => takenOverAfter(arena, held, at);
    await arena.until('taken over', stack.takeover + 15, () => back() !== undefined).catch(() => undefined);
    await arena.quiesce(stack.takeover + 30);
    const seconds = back() ?? Number.POSITIVE_INFINITY;
    const timed = [{ what: 'taken over', seconds, promised: stack.takeover }];
    return await arena.result({ inFlight: held.size, recoverySeconds: [seconds], timed, violations });
  },
};

/** Is any process of this group left? */
function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}
