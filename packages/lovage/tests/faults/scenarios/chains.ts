// Chains of quick steps, of which a worker runs several in one place before the broker hears of them, while workers die and lines are
// cut: every step of every chain has run and has its result. What repeats is what was not settled yet.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { keepSending } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const STEPS = 20;
const CONCURRENCY = 4;
/** Most steps that are run and not settled, of one message. */
const UNSETTLED = 17;

export const chains: Scenario = {
  id: 'chains',
  title: 'Chains of quick steps while workers die (`kill -9`) and lines are cut',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['sqlite', 'redis'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort, random } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const load = keepSending(producer, { perSecond: 15, task: 'fault.step', args: [], steps: STEPS });
    let faults = 0;
    for (let life = 0; life < (isShort ? 3 : 10); life++) {
      const name = `worker${life}`;
      const worker = await stack.worker({ name, concurrency: CONCURRENCY, broker: 'proxy', results: 'proxy' });
      const ran = (): number => arena.runs().filter((line) => line.worker.startsWith(`${name}/`)).length;
      await arena.until(`${name} works`, 30, () => ran() > 4 * STEPS);
      for (let cut = 0; cut < (stack.brokerProxy === undefined ? 0 : 2); cut++) {
        await delay(random.int(0, 100));
        stack.brokerProxy?.cut(random.pick(['rst', 'fin']));
        const before = ran();
        await arena.until(`${name} works again`, 30, () => ran() > before + STEPS);
        faults++;
      }
      await delay(random.int(0, 100));
      worker.signal('SIGKILL');
      await worker.ended;
      faults++;
    }
    const died = Date.now();
    await load.stop();
    await stack.worker({ name: 'heir', concurrency: CONCURRENCY });
    await arena.quiesce(stack.takeover + 60);
    const recoverySeconds = [(Date.now() - died) / 1000];
    return await arena.result({ inFlight: faults * 2 * CONCURRENCY * UNSETTLED, recoverySeconds });
  },
};
