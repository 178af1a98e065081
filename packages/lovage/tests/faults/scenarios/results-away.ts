// The result store is out of reach while the broker is not (RabbitMQ with results in Redis): what ends meanwhile waits for its result to
// be stored, or runs again, and nothing is acknowledged without its result.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { endedIds, keepSending, unsettledIn } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Seconds. */
const AWAY = { short: 4, long: 60 } as const;

export const resultsAway: Scenario = {
  id: 'results-away',
  title: 'Result store cut off while the broker answers (for 4 s; long: 60 s)',
  applies: ['rabbitmq-classic', 'rabbitmq-quorum', 'celery-rabbitmq'],
  daily: ['rabbitmq-quorum'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, random } = arena;
    const producer = await stack.producer({ name: 'producer' });
    await stack.worker({ name: 'worker', concurrency: CONCURRENCY, results: 'proxy' });
    const load = keepSending(producer, { perSecond: 50, args: [20] });
    await arena.until('the load flows', 30, () => arena.runs().length > 20);
    await delay(random.int(0, 300));
    const at = Date.now();
    stack.resultProxy?.freeze();
    await delay(AWAY[context.scale] * 1000);
    const held = arena.runs().length;
    // Whatever was frozen on the way is gone.
    stack.resultProxy?.cut(random.pick(['rst', 'fin']));
    stack.resultProxy?.thaw();
    const back = Date.now();
    await arena.until('tasks end again', 60, () => arena.runs().length > held + 20).catch(() => undefined);
    const seconds = (Date.now() - back) / 1000;
    await load.stop();
    await arena.quiesce(stack.takeover + 60);
    const ended = endedIds(arena);
    const finals = await stack.finals([...ended]);
    const violations = finals.length < ended.size ? [`${ended.size - finals.length} ended without a result`] : [];
    return await arena.result({ inFlight: unsettledIn(arena, [[at, back]]), recoverySeconds: [seconds], violations });
  },
};
