// The worker's line ends at chosen points of the protocol: before an ack leaves, inside the answer of a take or a settle. It comes back,
// finds what it holds, and nothing is lost.
import { openArena } from '../harness/arena.ts';
import { firstStartAfter } from '../harness/gestures.ts';
import { beforeAck, inReply } from '../harness/proxy.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 6;
/** What takes and settles on Redis: scripts, and Celery's transaction. */
const SETTLES = /^(EVALSHA|EVAL|EXEC)$/;

export const settleCut: Scenario = {
  id: 'settle-cut',
  title: 'Line cut before the n-th ack (RabbitMQ), inside a reply (Redis)',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum', 'celery-redis', 'celery-rabbitmq', 'bullmq'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, random, isShort } = arena;
    const producer = await stack.producer({ name: 'producer' });
    await stack.worker({ name: 'worker', concurrency: CONCURRENCY, broker: 'proxy' });
    const isRabbit = context.stack.includes('rabbitmq');
    const rounds = isShort ? 6 : 40;
    const recoverySeconds: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const act = random.pick(['rst', 'fin'] as const);
      const n = random.int(1, 4);
      const sprung = stack.brokerProxy?.trap(
        isRabbit ? beforeAck(n, act) : inReply(n, ({ name }) => SETTLES.test(name), { act, bytes: random.int(0, 120) }),
      );
      await producer.produce({ prefix: `s${round}`, count: 30, perSecond: 300, args: [10] });
      await sprung;
      const at = Date.now();
      await arena.until(
        'the worker is back',
        20,
        () => firstStartAfter(arena, at) !== undefined || arena.stack.waiting().then((n) => n === 0),
      );
      recoverySeconds.push(firstStartAfter(arena, at) ?? 0);
    }
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: rounds * CONCURRENCY, recoverySeconds });
  },
};
