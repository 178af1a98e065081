// Tasks that kill their worker each time they run, among others that do not: they end in the dead letters, alone, and come back from there.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Arena, openArena } from '../harness/arena.ts';
import type { Child } from '../harness/child.ts';
import { heldBy } from '../harness/gestures.ts';
import { PEERS, type Scenario } from '../harness/scenario.ts';
import { ANTIDOTE } from '../poison/tasks.ts';

const TASKS = join(import.meta.dirname, '../poison/tasks.ts');
/** The setting maxDeliveries. */
const STARTS = 5;
const CONCURRENCY = 100;
/** A hundred processes of Python take longer to start than a worker is waited for. */
const PEER_CONCURRENCY = 10;
/** Seconds. */
const PEER_PATIENCE = 60;

/** What a supervisor does: whenever the worker dies, another one is started. */
function respawning(arena: Arena, concurrency: number): { readonly deaths: readonly number[]; stop(): Promise<void> } {
  const deaths: number[] = [];
  let worker: Child | undefined;
  let isOver = false;
  const loop = (async () => {
    for (let life = 0; !isOver; life++) {
      const name = `worker${life}`;
      const options = { name, concurrency, tasks: TASKS };
      // One that dies before it said that it is ready was started all the same.
      worker = await arena.stack.worker(options).catch(() => undefined);
      await worker?.ended;
      // What had ended and was not yet stored was held too. The pills are counted apart: most of them take only a process of their own along.
      if (!isOver) deaths.push([...(await heldBy(arena, name))].filter((id) => !id.startsWith('pill')).length);
    }
  })();
  return {
    deaths,
    stop: async () => {
      isOver = true;
      worker?.signal('SIGTERM');
      await loop;
    },
  };
}

export const poison: Scenario = {
  id: 'poison',
  title: 'Tasks that kill their worker every time',
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
    await using arena = await openArena(context, { lease: 2, settings: { quarantineAfter: null } });
    const { stack, isShort, random } = arena;
    const pills = isShort ? 1 : 5;
    const producer = await stack.producer({ name: 'producer' });
    const others = random.int(100, 200);
    await producer.produce({ prefix: 'before', count: others, perSecond: 10_000, args: [20] });
    await producer.produce({ prefix: 'pill', count: pills, perSecond: 10_000, task: 'fault.poison', args: [] });
    await producer.produce({ prefix: 'after', count: 300 - others, perSecond: 10_000, args: [20] });
    const workers = respawning(arena, PEERS.has(context.stack) ? PEER_CONCURRENCY : CONCURRENCY);
    const began = Date.now();
    // A peer that never gives up is not watched for ever.
    const seconds = Math.min((stack.takeover + 5) * STARTS * pills, PEERS.has(context.stack) ? PEER_PATIENCE : 3600);
    const isDead = async (): Promise<boolean> => (await stack.deadLetters()).size >= pills;
    await arena.until('the poison lies among the dead', seconds, isDead).catch(() => undefined);
    await arena.quiesce(seconds);
    const recoverySeconds = [(Date.now() - began) / 1000];
    const dead = await stack.deadLetters();
    const violations = [...dead].filter(([id, reason]) => !(id.startsWith('pill') && reason === 'delivery-limit')).map(String);
    const starts = arena.runs().filter(({ what, id }) => what === 'start' && id.startsWith('pill')).length;
    // The first death counts against all that were in hand, also the pills beside the one that killed: each may have lost one start so.
    const fewest = STARTS * pills - (pills - 1);
    if (starts > STARTS * pills || starts < fewest)
      violations.push(`poison ran ${starts} times instead of ${fewest} to ${STARTS * pills}`);
    if (dead.size < pills) violations.push(`${dead.size} of ${pills} pills are among the dead`);

    if (stack.resend !== undefined) {
      writeFileSync(join(stack.folder, ANTIDOTE), '');
      const sent = await stack.resend();
      if (sent !== dead.size) violations.push(`${sent} of ${dead.size} dead letters were sent again`);
    }
    const cured = (): boolean => arena.runs().filter(({ what, id }) => what === 'end' && id.startsWith('pill')).length === pills;
    if (stack.resend !== undefined)
      await arena.until('what was sent again has run', 20, cured).catch((error: unknown) => violations.push(String(error)));
    await arena.quiesce(10);
    await workers.stop();
    // Each death of a worker may repeat what ran at that moment; a pill starts STARTS times, and once more when it was sent again.
    const mayRepeat = workers.deaths.reduce((sum, count) => sum + count, 0) + pills * STARTS;
    // The poison's FAILURE was forgotten when it was sent again.
    const doubleFinal = (await arena.judgement()).doubleFinal.filter((id) => !id.startsWith('pill')).length;
    return await arena.result(
      { inFlight: mayRepeat, recoverySeconds, violations, doubleFinal },
      {
        mayDie: (id) => id.startsWith('pill'),
      },
    );
  },
};
