// A machine dies: its worker is gone and no end of its lines ever arrives, as when the power goes or a network splits. Only silence tells
// of it: of heartbeats on RabbitMQ, of the lease on Redis.
import { openArena } from '../harness/arena.ts';
import { heldBy, runningOn, takenOverAfter, whenBusy } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;

export const machineDead: Scenario = {
  id: 'machine-dead',
  title: 'Machine of a worker dead (its lines fall silent and never end)',
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum', 'celery-redis', 'celery-rabbitmq', 'bullmq'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack } = arena;
    const producer = await stack.producer({ name: 'producer' });
    const victim = await stack.worker({ name: 'victim', concurrency: CONCURRENCY, broker: 'proxy', results: 'proxy' });
    await producer.produce({ prefix: 'dead', count: CONCURRENCY, perSecond: 500, task: 'fault.once', args: [8000] });
    await arena.until('it has them all', 20, () => runningOn(arena, 'victim').size === CONCURRENCY);
    // There before the fault: how long a process takes to start is no part of the promise.
    await stack.worker({ name: 'heir', concurrency: CONCURRENCY });
    await whenBusy(arena, 'victim');
    for (const proxy of new Set([stack.brokerProxy, stack.resultProxy])) proxy?.freeze();
    victim.signal('SIGKILL');
    await victim.ended;
    const at = Date.now();
    const held = await heldBy(arena, 'victim');
    // Two heartbeats, and two seconds as for any death.
    const promised = stack.lease === undefined ? 2 * stack.heartbeat + 2 : stack.takeover;
    const back = (): number | undefined => takenOverAfter(arena, held, at);
    await arena.until('taken over', stack.takeover + 2 * promised + 15, () => back() !== undefined).catch(() => undefined);
    const recovered = back() ?? Number.POSITIVE_INFINITY;
    const timed = [{ what: 'taken over', seconds: recovered, promised }];
    const violations: string[] = [];
    if (held.size === 0) violations.push('the worker held nothing, so nothing was shown');
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: held.size, recoverySeconds: [recovered], timed, violations });
  },
};
