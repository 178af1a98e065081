// The line ends after a publish has left and before its confirm arrives: nobody knows whether it is stored. Sent again under the same id
// nothing is lost, and only what was stored twice may run twice.
import { openArena } from '../harness/arena.ts';
import { inDoubt, slowestPublish } from '../harness/gestures.ts';
import { beforeConfirm, inReply, inRequest } from '../harness/proxy.ts';
import type { Scenario } from '../harness/scenario.ts';
import { PUBLISH } from '../harness/wire.ts';

/** What publishes on Redis. */
const PUBLISHES = /^(EVALSHA|EVAL|LPUSH|RPUSH)$/;

export const publishCut: Scenario = {
  id: 'publish-cut',
  title: 'Publish cut off before it leaves, in its middle, or before its confirm; sent again under the same id',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum', 'celery-redis', 'celery-rabbitmq', 'bullmq'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, random, isShort } = arena;
    const producer = await stack.producer({ name: 'producer', broker: 'proxy' });
    await stack.worker({ name: 'worker', concurrency: 10 });
    const isRabbit = context.stack.includes('rabbitmq');
    const violations: string[] = [];
    await producer.produce({ prefix: 'first', count: 5, perSecond: 500 });
    const recoverySeconds: number[] = [];
    const moments: number[] = [];
    for (let round = 0; round < (isShort ? 8 : 40); round++) {
      const act = random.pick(['rst', 'fin'] as const);
      const n = random.int(1, 4);
      // The first round, and every other one, leaves the publish in doubt; the rest ends the line before all of it has left.
      const where = round % 2 === 0 ? 'before the confirm' : random.pick(['before it', 'in it'] as const);
      const bytes = where === 'before it' ? 0 : random.int(1, 30);
      const sprung = stack.brokerProxy?.trap(
        where !== 'before the confirm'
          ? inRequest(n, ({ name }) => (isRabbit ? name === PUBLISH : PUBLISHES.test(name)), { act, bytes })
          : isRabbit
            ? beforeConfirm(n, act)
            : inReply(n, ({ name }) => PUBLISHES.test(name), { act, bytes: random.int(0, 1) }),
      );
      let at: number | undefined;
      void sprung?.then(() => {
        at = Date.now();
      });
      // One at a time, so that each publish is a write of its own.
      await producer.produce({ prefix: `p${round}`, count: 20, perSecond: 200 });
      if (at === undefined) violations.push(`round ${round}: the line was not cut`);
      else {
        moments.push(at);
        recoverySeconds.push((Date.now() - at) / 1000);
      }
    }
    await arena.quiesce(stack.takeover + 30);
    const doubtful = inDoubt(arena, moments);
    if (doubtful === 0) violations.push('no publish was left in doubt, so nothing was shown');
    return await arena.result({ inFlight: doubtful, recoverySeconds, timed: [slowestPublish(arena)], violations });
  },
};
