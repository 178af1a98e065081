// Whoever sends dead letters again is killed in the middle of it, and somebody does it anew: each letter has left once at least, and only
// those that were on their way may have left twice.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { endedIds } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const TASKS = join(import.meta.dirname, '../harness/hazards.ts');
const LETTERS = 300;

export const resendKill: Scenario = {
  id: 'resend-kill',
  title: 'Program that sends dead letters again killed in the middle, then started anew',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['sqlite', 'rabbitmq-classic'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort, random } = arena;
    const producer = await stack.producer({ name: 'producer' });
    // It does not know the task, so all of them die.
    const ignorant = await stack.worker({ name: 'ignorant', concurrency: 20 });
    await producer.produce({ prefix: 'letter', count: LETTERS, perSecond: 2000, task: 'fault.quick', args: [0] });
    await arena.until('all are dead', 60, async () => (await stack.deadLetters()).size === LETTERS);
    ignorant.signal('SIGTERM');
    await ignorant.ended;
    const deaths = isShort ? 2 : 8;
    for (let death = 0; death < deaths; death++) {
      const sender = await stack.resender?.(`sender${death}`);
      await delay(random.int(0, 250));
      sender?.signal('SIGKILL');
      await sender?.ended;
    }
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
    return await arena.result({ inFlight: deaths * LETTERS, recoverySeconds: [seconds], doubleFinal: 0 });
  },
};
