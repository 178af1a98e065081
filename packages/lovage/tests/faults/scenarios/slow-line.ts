// The line is slow: late, narrow, or cut into single bytes; or the broker takes seconds to answer. Everything is right, only later: no
// lease is lost, nothing runs twice, and nobody reconnects for it.
import { openArena } from '../harness/arena.ts';
import { keepSending } from '../harness/gestures.ts';
import type { Scenario } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Lines that are made when they are first used. */
const FEW = 3;
/**
 * Where each answer takes longer than brokerConnectionTimeout, the last line of a worker (that of its keeper) needs several attempts, each
 * with more patience, and main loop and keeper open a line each to see whether the server is slow or their lines are dead.
 */
const PATIENT = 6;
/** Each as slow as it says, until the proxy is told otherwise. */
const LINES = [
  { name: '300 ms late', delay: 300 },
  { name: '64 kB/s', rate: 64_000 },
  { name: 'byte by byte', segment: 1 },
] as const;
const AS_IT_COMES = { delay: 0, rate: 0, segment: 0 } as const;
/** Milliseconds by which each chunk is late, in both directions. */
const SLOW = { short: [200, 600], long: [1000, 5000] } as const;

const applies: Scenario['applies'] = ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum'];

export const slowLine: Scenario = {
  id: 'slow-line',
  title: 'Lines 300 ms late, then 64 kB/s, then byte by byte',
  applies,
  daily: ['redis-celery'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, isShort } = arena;
    const producer = await stack.producer({ name: 'producer', broker: 'proxy', results: 'proxy' });
    await stack.worker({ name: 'worker', concurrency: CONCURRENCY, broker: 'proxy', results: 'proxy' });
    const proxies = [...new Set([stack.brokerProxy, stack.resultProxy])];
    await producer.produce({ prefix: 'first', count: 5, perSecond: 100 });
    await arena.quiesce(20);
    const lines = (): number => proxies.reduce((sum, proxy) => sum + (proxy?.made ?? 0), 0);
    const before = lines();
    const count = isShort ? 20 : 300;
    for (const { name, ...how } of LINES) {
      for (const proxy of proxies) proxy?.slow({ ...AS_IT_COMES, ...how });
      await producer.produce({ prefix: name.replaceAll(/\W/g, ''), count, perSecond: 50, args: [20] });
      await arena.quiesce(isShort ? 30 : 120);
    }
    for (const proxy of proxies) proxy?.slow(AS_IT_COMES);
    // Among other tests a process may not get to its answers for seconds, which looks to it like a line that has died: it opens one to see.
    const most = isShort ? PATIENT : FEW;
    const violations = lines() > before + most ? [`${lines() - before} lines were made anew`] : [];
    await arena.quiesce(stack.takeover + 30);
    return await arena.result({ inFlight: 0, recoverySeconds: [], violations });
  },
};

export const slowBroker: Scenario = {
  id: 'slow-broker',
  title: 'Broker takes 0.4 to 1.2 s for each answer, lease 4 s (long: 2 to 10 s, lease 30 s)',
  applies,
  daily: ['redis'],
  run: async (context) => {
    await using arena = await openArena(context, context.scale === 'short' ? { lease: 4, heartbeat: 4 } : {});
    const { stack, random, isShort } = arena;
    const [least, most] = SLOW[context.scale];
    const producer = await stack.producer({ name: 'producer' });
    await stack.worker({ name: 'slow', concurrency: CONCURRENCY, broker: 'proxy' });
    const { brokerProxy } = stack;
    await producer.produce({ prefix: 'first', count: CONCURRENCY, perSecond: 100 });
    await arena.quiesce(20);
    const before = brokerProxy?.made ?? 0;
    brokerProxy?.slow({ delay: () => random.int(least, most) });
    // Somebody else is there who would take over whatever is given up.
    await producer.produce({ prefix: 'long', count: CONCURRENCY, perSecond: 100, args: [isShort ? 6000 : 60_000] });
    await arena.until(
      'the slow one has them',
      60,
      () => arena.runs().filter(({ id }) => id.startsWith('long')).length >= CONCURRENCY,
    );
    await stack.worker({ name: 'idle', concurrency: CONCURRENCY });
    const load = keepSending(producer, { perSecond: 20, args: [20] });
    const isOver = (): boolean =>
      arena.runs().filter(({ what, id }) => what === 'end' && id.startsWith('long')).length >= CONCURRENCY;
    await arena.until('the long ones end', 120, isOver).catch(() => undefined);
    await load.stop();
    await arena.quiesce(stack.takeover + 60);
    const made = (brokerProxy?.made ?? 0) - before;
    brokerProxy?.slow(AS_IT_COMES);
    const violations = made > (isShort ? FEW : PATIENT) ? [`${made} lines were made anew`] : [];
    return await arena.result({ inFlight: 0, recoverySeconds: [], violations });
  },
};
