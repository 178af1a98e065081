// Workers die by kill -9 under load: everything they held runs elsewhere within the promise, and nothing else runs twice.
import { openArena } from '../harness/arena.ts';
import { heldBy, keepSending, takenOverAfter, whenBusy } from '../harness/gestures.ts';
import { PEERS, type Scenario, type Timed } from '../harness/scenario.ts';

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
    const producer = await stack.producer({ name: 'producer' });
    // It stays, and takes over.
    await stack.worker({ name: 'heir', concurrency: 8 });
    const load = keepSending(producer, { perSecond: 100, args: [40] });
    const recoverySeconds: number[] = [];
    const timed: Timed[] = [];
    let inFlight = 0;
    for (let death = 0; death < (PEERS.has(context.stack) ? 1 : isShort ? 2 : 5); death++) {
      const name = `victim${death}`;
      const victim = await stack.worker({ name, concurrency: 4 });
      await whenBusy(arena, name);
      // What it held may run elsewhere before this process hears of its death.
      const at = Date.now();
      victim.signal('SIGKILL');
      await victim.ended;
      const held = await heldBy(arena, name);
      inFlight += held.size;
      const back = (): number | undefined => takenOverAfter(arena, held, at);
      await arena.until('taken over', stack.takeover + 15, () => back() !== undefined).catch(() => undefined);
      const seconds = back() ?? Number.POSITIVE_INFINITY;
      // One that died between two tasks says nothing of how quickly others take over.
      if (held.size > 0) recoverySeconds.push(seconds);
      timed.push({ what: 'taken over', seconds, promised: stack.takeover });
    }
    await load.stop();
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight, recoverySeconds, timed });
  },
};
