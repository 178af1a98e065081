// Between taking and recording: Redis has handed messages out, the answer never arrives (or only a part of it), and the worker is
// killed. This is where a plain BRPOP loses them.
import { openArena } from '../harness/arena.ts';
import { firstStartAfter, heldBy } from '../harness/gestures.ts';
import { inReply } from '../harness/proxy.ts';
import { PEERS, type Scenario, type Timed } from '../harness/scenario.ts';

const TASKS = 20;

export const takeKill: Scenario = {
  id: 'take-kill',
  title: 'Worker `kill -9` between taking and recording',
  applies: ['redis', 'redis-celery', 'celery-redis', 'bullmq'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, random, isShort } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const recoverySeconds: number[] = [];
    const timed: Timed[] = [];
    const violations: string[] = [];
    let inFlight = 0;
    for (let death = 0; death < (isShort || PEERS.has(context.stack) ? 1 : 5); death++) {
      const victim = await stack.worker({ name: `victim${death}`, concurrency: 4, broker: 'proxy' });
      const bytes = random.pick([0, 1, random.int(2, 200)]);
      const taken = stack.brokerProxy?.trap(
        inReply(1, ({ bytes: reply }) => reply.includes('fault.work') || reply.includes('faultjob'), { bytes, act: 'freeze' }),
      );
      await producer.produce({ prefix: `t${death}`, count: TASKS, perSecond: 500 });
      await taken;
      victim.signal('SIGKILL');
      await victim.ended;
      const at = Date.now();
      // What came over another line than the one that stood still.
      inFlight += (await heldBy(arena, `victim${death}`)).size;
      const heir = await stack.worker({ name: `heir${death}`, concurrency: 4 });
      await arena.quiesce(stack.takeover + 30);
      const last = arena.runs().findLast(({ what }) => what === 'start')?.time ?? at;
      recoverySeconds.push(Math.max(0, (last - at) / 1000));
      if (firstStartAfter(arena, at) === undefined) violations.push('nothing ran after the death');
      timed.push({ what: 'taken over', seconds: (last - at) / 1000, promised: stack.takeover });
      heir.signal('SIGTERM');
      await heir.ended;
    }
    // What was only taken has not started, so it runs once.
    return await arena.result({ inFlight, recoverySeconds, timed, violations });
  },
};
