// A worker stands still for two leases (SIGSTOP, as a suspended machine does) and goes on: others have taken over, and what it then
// still wants to write, results and acks, is refused. It notices, and works again.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { heldBy, runningOn, takenOverAfter, whenBusy } from '../harness/gestures.ts';
import { PEERS, type Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** How long the tasks take where they start first: longer than a second worker takes to start. */
const FIRST_MS = 8000;
/** The last that a worker says of its first look for others. */
const MINGLED = /mingle: (all alone|sync complete)/;
/** Seconds of a freeze on RabbitMQ, which notices only that a line ends: the line is cut meanwhile. */
const WITHOUT_LEASE = 4;

export const workerFreeze: Scenario = {
  id: 'worker-freeze',
  title: 'Worker frozen (SIGSTOP) for two leases, then continued (RabbitMQ: its line cut meanwhile)',
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
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const victim = await stack.worker({ name: 'victim', concurrency: CONCURRENCY, broker: 'proxy' });
    await producer.produce({ prefix: 'frozen', count: CONCURRENCY, perSecond: 500, task: 'fault.once', args: [FIRST_MS] });
    await arena.until('it has them all', 20, () => runningOn(arena, 'victim').size === CONCURRENCY);
    // There before the fault: how long a process takes to start is no part of the promise.
    const heir = await stack.worker({ name: 'heir', concurrency: CONCURRENCY });
    // The heir asks the victim who it is, and whoever is frozen while it writes an answer into an SQLite file keeps all others out of it.
    if (context.stack === 'sqlite') await arena.until('they know each other', 20, () => MINGLED.test(heir.log()));
    await whenBusy(arena, 'victim', 100);
    victim.signal('SIGSTOP');
    const at = Date.now();
    const held = await heldBy(arena, 'victim');
    if (stack.lease === undefined) stack.brokerProxy?.cut();
    const promised = (stack.lease ?? 0) + 2;
    const back = (): number | undefined => takenOverAfter(arena, held, at);
    await arena.until('taken over', promised + 15, () => back() !== undefined).catch(() => undefined);
    // The heir ends what it took over before the frozen one wakes: then its late results meet finished ones.
    await delay(Math.max(500, 2 * (stack.lease ?? WITHOUT_LEASE) * 1000 - (Date.now() - at)));
    victim.signal('SIGCONT');
    const recovered = back() ?? Number.POSITIVE_INFINITY;
    const timed = [{ what: 'taken over', seconds: recovered, promised }];
    const violations: string[] = [];
    // What it still ends late is what the store and the broker have to refuse.
    const endsLate = (): boolean => [...runningOn(arena, 'victim')].every((id) => !held.has(id));
    if (!PEERS.has(context.stack))
      await arena.until('it ends what it held', 20, endsLate).catch(() => violations.push('it never ended what it had held'));
    const works = (): boolean =>
      arena.runs().some(({ what, id, worker }) => what === 'end' && id.startsWith('after') && worker.startsWith('victim/'));
    for (let round = 0; round < 40 && !works(); round++) {
      await producer.produce({ prefix: `after${round}`, count: 4 * CONCURRENCY, perSecond: 200, args: [30] });
      await delay(200);
    }
    if (!works()) violations.push('the worker that was frozen takes nothing more');
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: held.size, recoverySeconds: [recovered], timed, violations });
  },
};
