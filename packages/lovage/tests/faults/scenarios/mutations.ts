// Bad input of every kind, through a running worker: none stops it, each has its end.
import { startRabbit, startRedis } from '../../../../../scripts/servers/index.ts';
import type { Scenario, ScenarioContext } from '../harness/scenario.ts';
import { type BombPlace, bigBodiesEnd, bombsEnd } from '../mutations/bombs.ts';
import { runMutations, withFile } from '../mutations/run.ts';

/** Does it on a broker that is there for it alone. */
async function onOwn<Out>({ stack, seed }: ScenarioContext, work: (place: BombPlace) => Promise<Out>): Promise<Out> {
  if (stack === 'memory') return await work({ brokerUrl: `memory://${seed}`, resultUrl: `memory://${seed}` });
  if (stack === 'sqlite') return await withFile((url) => work({ brokerUrl: url, resultUrl: url }));
  await using redis = await startRedis();
  if (stack === 'redis' || stack === 'redis-celery') {
    const settings = stack === 'redis' ? {} : { redisInFlight: 'celery' };
    return await work({ brokerUrl: redis.url, resultUrl: redis.url, settings });
  }
  await using rabbit = await startRabbit();
  const settings = stack === 'rabbitmq-quorum' ? { taskDefaultQueueType: 'quorum' } : {};
  return await work({ brokerUrl: rabbit.url, resultUrl: redis.url, settings });
}

const applies: Scenario['applies'] = ['memory', 'sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'];
const NOTHING = { lost: 0, doubled: 0, phantom: 0, doubleFinal: 0, inFlight: 0, recoverySeconds: [] } as const;

export const mutations: Scenario = {
  id: 'mutations',
  title: 'Random mutations of real messages',
  applies,
  // The short runs are in mutations.test.ts.
  longOnly: true,
  run: async (context) => {
    const { stack, seed, scale } = context;
    const most = stack === 'memory' ? 100_000 : 5000;
    const count = scale === 'long' ? most : most / 10;
    const report = await onOwn(context, (place) => runMutations({ ...place, seed, count }));
    const { published, executed, unaccounted, violations, growth } = report;
    return {
      ...NOTHING,
      lost: unaccounted,
      violations,
      note: `${published} messages, ${executed} could run, memory grew by ${Math.round(growth / 1e6)} MB`,
    };
  },
};

export const tooMuch: Scenario = {
  id: 'too-much',
  title: 'Decompression bombs (200 MB in 200 kB), and bodies of 100 MB',
  applies,
  // The short runs are in mutations.test.ts.
  longOnly: true,
  run: async (context) => {
    const violations = await onOwn(context, async (place) => [
      ...(await bombsEnd(place)),
      ...(await bigBodiesEnd(place, 100_000_000)),
    ]);
    return { ...NOTHING, violations, note: 'each is a dead letter with its reason, and whoever waits hears it' };
  },
};
