// Workers die by kill -9 under load: everything they held runs elsewhere within the promise, and nothing else runs twice.
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, openArena } from '../harness/arena.ts';
import type { Scenario } from '../harness/scenario.ts';

/** Seconds by which a machine with busy cores may be late. */
const SLACK = 1.5;

interface Killed {
  readonly inFlight: number;
  /** Ids that ran at that moment, on that worker. */
  readonly held: ReadonlySet<string>;
  readonly at: number;
}

/** Kills a worker that has something running. */
async function kill(arena: Arena, name: string): Promise<Killed> {
  const worker = await arena.stack.worker({ name, concurrency: 4 });
  const mine = (): Set<string> => {
    const open = new Set<string>();
    for (const line of arena.runs()) {
      if (!line.worker.startsWith(`${name}/`)) continue;
      if (line.what === 'start') open.add(line.id);
      else open.delete(line.id);
    }
    return open;
  };
  await arena.until(`${name} is busy`, 30, () => mine().size > 0);
  await delay(arena.random.int(0, 300));
  await arena.until(`${name} is busy`, 30, () => mine().size > 0);
  worker.signal('SIGKILL');
  await worker.ended;
  const held = mine();
  return { inFlight: held.size, held, at: Date.now() };
}

/** Seconds from the death until all that was held had started elsewhere. */
function takenOver(arena: Arena, { held, at }: Killed): number {
  const again = arena.runs().filter(({ what, id, time }) => what === 'start' && held.has(id) && time >= at);
  return again.length === 0 ? 0 : (Math.max(...again.map(({ time }) => time)) - at) / 1000;
}

export const workerKill: Scenario = {
  id: 'worker-kill',
  title: 'Worker `kill -9` under load',
  applies: [
    'sqlite',
    'redis',
    'redis-celery',
    'rabbitmq-classic',
    'rabbitmq-quorum',
    'celery-redis',
    'celery-rabbitmq',
    'bullmq',
  ],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const kills = isShort ? 2 : 5;
    const producer = await stack.producer({ name: 'producer' });
    // It stays, and takes over.
    await stack.worker({ name: 'heir', concurrency: 8 });
    let isOver = false;
    const rounds = async (): Promise<void> => {
      for (let round = 0; !isOver; round++) {
        await producer.produce({ prefix: `w${round}`, count: 40, perSecond: 100, args: [40] });
      }
    };
    const producing = rounds();
    const killed: Killed[] = [];
    for (let at = 0; at < kills; at++) {
      const death = await kill(arena, `victim${at}`);
      killed.push(death);
      // The next dies when this one's has been taken over, or should have been.
      const back = (): boolean => {
        const again = new Set(arena.runs().flatMap(({ what, id, time }) => (what === 'start' && time >= death.at ? [id] : [])));
        return [...death.held].every((id) => again.has(id));
      };
      await arena.until('what the dead worker held runs elsewhere', stack.takeover + 15, back).catch(() => undefined);
    }
    isOver = true;
    await producing;
    await arena.quiesce(stack.takeover + 30);
    const recoverySeconds = killed.map((death) => takenOver(arena, death));
    const late = recoverySeconds.filter((seconds) => seconds > stack.takeover + SLACK);
    return arena.result({
      inFlight: killed.reduce((sum, { inFlight }) => sum + inFlight, 0),
      recoverySeconds,
      violations: late.map((seconds) => `taken over after ${seconds.toFixed(1)} s, promised were ${stack.takeover} s`),
    });
  },
};
