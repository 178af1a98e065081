// A task of which every message kills its process, a thousand times, among others that do not: the name is put into quarantine, one
// message at a time is tried, and the others run as if it were not there.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Arena, openArena } from '../harness/arena.ts';
import { endedIds } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';
import { ANTIDOTE } from '../poison/tasks.ts';

const TASKS = join(import.meta.dirname, '../poison/tasks.ts');
const SLOTS = 3;
/** What every other task takes (ms). */
const WORK = 20;
/** The setting quarantineAfter; those that run beside the last of them die too, and later trials come after 10, 20, 40 s. */
const DEATHS = 5;
const TRIALS = 6;
const COUNTS = { short: { pills: 60, others: 300 }, long: { pills: 1000, others: 10_000 } } as const;
/** Of the rate without pills. */
const LEAST = 0.9;

/** Tasks a second, from the first start to the last end. */
function rateOf(arena: Arena, prefix: string): number {
  const times = arena.runs().flatMap(({ id, time }) => (id.startsWith(prefix) ? [time] : []));
  return endedIds(arena, prefix).size / ((Math.max(...times) - Math.min(...times)) / 1000);
}

export const pills: Scenario = {
  id: 'pills',
  title: '1,000 tasks of one name that each kill their process (short: 60), before others (prefork)',
  applies: ['sqlite', 'redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'],
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const counts = COUNTS[context.scale];
    const producer = await stack.producer({ name: 'producer' });
    const worker = await stack.worker({ name: 'worker', concurrency: SLOTS, pool: 'prefork', tasks: TASKS });
    const others = async (prefix: string): Promise<void> => {
      await producer.produce({ prefix, count: counts.others, perSecond: 10_000, args: [WORK] });
    };
    const haveRun = (prefix: string): Promise<void> =>
      arena.until(`${prefix} have run`, 30 + counts.others / 20, () => endedIds(arena, prefix).size === counts.others);
    await others('calm');
    await haveRun('calm');
    await producer.produce({ prefix: 'pill', count: counts.pills, perSecond: 10_000, task: 'fault.poison', args: [] });
    await others('other');
    const violations: string[] = [];
    await haveRun('other').catch((error: unknown) => violations.push(String(error)));
    const starts = arena.runs().filter(({ what, id }) => what === 'start' && id.startsWith('pill')).length;
    const share = rateOf(arena, 'other') / rateOf(arena, 'calm');
    if (starts > DEATHS + SLOTS + TRIALS) violations.push(`pills ran ${starts} times`);
    // So short a while is mostly the beginning, before the name is closed.
    if (!isShort && share < LEAST) violations.push(`the others ran at ${Math.round(100 * share)} % of their rate`);
    if (!worker.isRunning) violations.push('the worker ended');
    const isPill = (id: string): boolean => id.startsWith('pill');
    // Those that ended among the dead had died too often before the name was closed.
    const dead = [...(await stack.deadLetters()).keys()].filter(isPill).length;
    if (!isShort) {
      writeFileSync(join(stack.folder, ANTIDOTE), '');
      const cured = (): boolean => endedIds(arena, 'pill').size + dead >= counts.pills;
      await arena.until('the cured ones have run', 330, cured).catch((error: unknown) => violations.push(String(error)));
    }
    const { lost } = await arena.judgement();
    // Its slots are in groups of their own, and write into the ledger's folder until they are gone.
    worker.signal('SIGTERM', 'alone');
    await worker.ended;
    const note = `${starts} starts of ${counts.pills} pills, ${dead} of them dead letters; the others ran at ${Math.round(100 * share)} % of their rate`;
    // Those that are not cured wait in the broker.
    const allowed = { mayDie: isPill, mayStay: () => isShort };
    const result = await arena.result({ inFlight: starts, recoverySeconds: [], violations, note }, allowed);
    return isShort ? { ...result, lost: lost.filter((id) => !isPill(id)).length } : result;
  },
};
