// The line is cut 100 times at random, with FIN or RST, while everybody is busy: the worker's, the producer's and the waiter's, to the
// broker and to the result store. Nobody goes deaf, nothing is lost, and no wait hangs.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { firstStartAfter, inDoubt, repeatsAt, slowestPublish, within } from '../harness/gestures.ts';
import type { FaultProxy } from '../harness/proxy.ts';
import type { Scenario } from '../harness/scenario.ts';
import { HEADER } from '../harness/wire.ts';

const CUTS = 100;
const CONCURRENCY = 10;
/** Tasks a cut. */
const EACH = 4;
/** Seconds in which a worker that was cut off has to start something again. */
const BACK = 20;
/** Seconds in which all that was sent has to be answered. */
const ANSWERS = 60;
/** Seconds that a worker which is not deaf needs for one more round. */
const AFTERWARDS = 20;

export const cuts: Scenario = {
  id: 'cuts',
  title: `Connections to broker and results cut ${CUTS} times at random under load`,
  applies: ['redis', 'redis-celery', 'rabbitmq-classic', 'rabbitmq-quorum', 'celery-redis', 'celery-rabbitmq', 'bullmq'],
  run: async (context) => {
    await using arena = await openArena(context);
    const { stack, random } = arena;
    const ways = { broker: 'proxy', results: 'proxy' } as const;
    const producer = await stack.producer({ name: 'producer', ...ways });
    await stack.worker({ name: 'worker', concurrency: CONCURRENCY, ...ways });
    const waiter = await stack.waiter?.(ways);
    const proxies = [...new Set([stack.brokerProxy, stack.resultProxy])].filter((proxy) => proxy !== undefined);
    const sent: Promise<void>[] = [];
    const answers: Promise<unknown>[] = [];
    const moments: number[] = [];
    const copies = context.stack.includes('rabbitmq') ? countCopies(stack.brokerProxy) : undefined;
    const violations: string[] = [];
    for (let made = 0; made < CUTS; ) {
      const prefix = `c${sent.length}`;
      const since = Date.now();
      sent.push(producer.produce({ prefix, count: EACH, perSecond: 500, args: [random.int(2, 50)] }));
      for (let at = 0; at < EACH && waiter !== undefined; at++) answers.push(waiter.wait(`${prefix}-${at}`, 120));
      // Each cut meets a worker that is back and at work, not one that waits until it may connect again.
      const isBack = await arena
        .until('the worker is back', BACK, () => firstStartAfter(arena, since) !== undefined)
        .then(
          () => true,
          () => false,
        );
      if (!isBack) {
        violations.push(`after ${made} cuts the worker took nothing more for ${BACK} s`);
        break;
      }
      await delay(random.int(0, 60));
      const proxy = random.pick(proxies);
      // Nothing runs again because the line to the results was cut.
      if (proxy === stack.brokerProxy) moments.push(Date.now());
      if (proxy.cut(random.pick(['rst', 'fin'])) > 0) made++;
    }
    const last = Date.now();
    const waits = Promise.allSettled(answers);
    if (!(await within(ANSWERS, Promise.all(sent)))) violations.push('some publishes got no answer');
    await arena.quiesce(60);
    const quiet = (Date.now() - last) / 1000;
    const unanswered = (await waits).filter(({ status }) => status === 'rejected').length;
    const timed = [slowestPublish(arena)];
    if (unanswered > 0) violations.push(`${unanswered} waits got no answer`);
    await within(ANSWERS, producer.produce({ prefix: 'last', count: CONCURRENCY, perSecond: 500 }));
    const heard = (): boolean =>
      arena.runs().filter(({ what, id }) => what === 'end' && id.startsWith('last-')).length >= CONCURRENCY;
    await arena.until('the last round ran', AFTERWARDS, heard).catch(() => violations.push('the worker went deaf'));
    await arena.quiesce(30);
    // On Redis a line that ends costs no lease. On RabbitMQ it gives back what was handed out on it, and its driver repeats publishes.
    const consumed = stack.lease === undefined ? moments : [];
    const { executions, beyond } = repeatsAt(arena, { consumed, published: copies === undefined ? [] : moments });
    const most = executions + (copies?.() ?? inDoubt(arena));
    return await arena.result({ inFlight: most, recoverySeconds: [quiet], timed, violations: [...violations, ...beyond] });
  },
};

/** Counts publishes of producers on their way to RabbitMQ, by the ids in their headers; resolves to how many were repeats. */
function countCopies(proxy: FaultProxy | undefined): () => number {
  const sent = new Map<string, number>();
  void proxy?.trap({
    direction: 'up',
    act: 'rst',
    here: ({ name, bytes }, direction) => {
      if (direction !== 'up' || name !== HEADER) return false;
      const text = bytes.toString('latin1');
      const id = /\b(c\d+-\d+|last-\d+)\b/.exec(text)?.[1];
      // What a worker sends anew bears its count; what a driver repeats bears 0.
      if (id !== undefined && !/x-lovage-attempts(?!I\0{4})/.test(text)) sent.set(id, (sent.get(id) ?? 0) + 1);
      return false;
    },
  });
  return () => [...sent.values()].reduce((sum, count) => sum + count - 1, 0);
}
