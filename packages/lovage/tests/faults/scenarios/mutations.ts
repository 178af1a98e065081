// Bad input of every kind, through a running worker: none stops it, each has its end.
import { startRabbit, startRedis } from '../../../../../scripts/servers/index.ts';
import type { Scenario, ScenarioContext } from '../harness/scenario.ts';
import { type MutationReport, runMutations, withFile } from '../mutations/run.ts';

async function runOn({ stack, seed, scale }: ScenarioContext): Promise<MutationReport> {
  const most = stack === 'memory' ? 100_000 : 5000;
  const count = scale === 'long' ? most : most / 10;
  if (stack === 'memory') return runMutations({ brokerUrl: `memory://${seed}`, resultUrl: `memory://${seed}`, seed, count });
  if (stack === 'sqlite') return withFile((url) => runMutations({ brokerUrl: url, resultUrl: url, seed, count }));
  await using redis = await startRedis();
  if (stack === 'redis' || stack === 'redis-celery') {
    const settings = stack === 'redis' ? {} : { redisInFlight: 'celery' };
    return await runMutations({ brokerUrl: redis.url, resultUrl: redis.url, seed, count, settings });
  }
  await using rabbit = await startRabbit();
  const settings = stack === 'rabbitmq-quorum' ? { taskDefaultQueueType: 'quorum' } : {};
  return await runMutations({ brokerUrl: rabbit.url, resultUrl: redis.url, seed, count, settings });
}

export const mutations: Scenario = {
  id: 'mutations',
  title: 'Random mutations of real messages',
  applies: ['memory', 'sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  // The short runs are in mutations.test.ts.
  longOnly: true,
  run: async (context) => {
    const report = await runOn(context);
    const { published, executed, unaccounted, violations, growth } = report;
    return {
      lost: unaccounted,
      doubled: 0,
      phantom: 0,
      doubleFinal: 0,
      inFlight: 0,
      recoverySeconds: [],
      violations,
      note: `${published} messages, ${executed} could run, memory grew by ${Math.round(growth / 1e6)} MB`,
    };
  },
};
