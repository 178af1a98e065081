// Whoever sends dead letters again is killed in the middle of it, and somebody does it anew: each letter runs once. On RabbitMQ those that
// were on their way leave twice, and the worker that takes the second copy finds that the first has run, or is running in its hands.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, openArena } from '../harness/arena.ts';
import { endedIds } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const TASKS = join(import.meta.dirname, '../harness/hazards.ts');
const LETTERS = 300;
/** Seconds within which a sender has sent something, or has nothing to send. */
const SENDS = 2;

/** Kills one either at any moment, or right after the first of its letters has left. */
async function killSender({ stack, random, until }: Arena, name: string): Promise<void> {
  const before = await stack.waiting();
  const sender = await stack.resender?.(name);
  if (random.int(0, 1) === 0) await delay(random.int(0, 250));
  else await until('a letter has left', SENDS, async () => (await stack.waiting()) > before).catch(() => undefined);
  sender?.signal('SIGKILL');
  await sender?.ended;
}

export const resendKill: Scenario = {
  id: 'resend-kill',
  title: 'Program that sends dead letters again killed in the middle, then started anew',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['sqlite', 'rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const producer = await stack.producer({ name: 'producer' });
    // It does not know the task, so all of them die.
    const ignorant = await stack.worker({ name: 'ignorant', concurrency: 20 });
    await producer.produce({ prefix: 'letter', count: LETTERS, perSecond: 2000, task: 'fault.quick', args: [0] });
    await arena.until('all are dead', 60, async () => (await stack.deadLetters()).size === LETTERS);
    ignorant.signal('SIGTERM');
    await ignorant.ended;
    const deaths = isShort ? 2 : 8;
    for (let death = 0; death < deaths; death++) await killSender(arena, `sender${death}`);
    await stack.worker({ name: 'knowing', concurrency: 20, tasks: TASKS });
    const at = Date.now();
    // What a dead sender held comes back within the promise for any death.
    const isSent = async (): Promise<boolean> => {
      await stack.resend?.();
      return endedIds(arena, 'letter').size === LETTERS;
    };
    await arena.until('all have run', stack.takeover + 60, isSent).catch(() => undefined);
    const seconds = (Date.now() - at) / 1000;
    await arena.quiesce(stack.takeover + 30);
    // Their FAILURE was forgotten when they were sent again.
    return await arena.result({ inFlight: 0, recoverySeconds: [seconds], doubleFinal: 0 });
  },
};
