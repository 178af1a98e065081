// The broker stands still without a word (SIGSTOP): publishes reject by their deadline, nothing hangs, and all goes on afterwards.
import { setTimeout as delay } from 'node:timers/promises';
import { openArena } from '../harness/arena.ts';
import { firstStartAfter, inDoubt, keepSending, slowestPublish, unsettledIn } from '../harness/gestures.ts';
import type { PublishLine } from '../harness/ledger.ts';
import type { Scenario, ScenarioContext, ScenarioResult } from '../harness/scenario.ts';

const CONCURRENCY = 4;
/** Seconds that a wait may take whose task nobody sent. */
const WAIT = 2;
/** Seconds in which tasks have to run again after the stall: the reconnecting worker backs off up to 30 s. */
const BACK = { short: 15, long: 35 } as const;

async function stall(context: ScenarioContext, seconds: number): Promise<ScenarioResult> {
  await using arena = await openArena(context);
  const { stack, random } = arena;
  const limit = BACK[context.scale];
  const producer = await stack.producer({ name: 'producer' });
  await stack.worker({ name: 'worker', concurrency: CONCURRENCY });
  const waiter = await stack.waiter?.({});
  const load = keepSending(producer, { perSecond: 50, args: [20] });
  await arena.until('the load flows', 30, () => arena.runs().length > 20);
  await delay(random.int(0, 500));
  const began = Date.now();
  stack.broker?.pause();
  // Waits that begin in the stall must end too.
  const asked = [...new Set(arena.published().map(({ id }) => id))].slice(-10);
  const answers = waiter === undefined ? [] : asked.map((id) => waiter.wait(id, seconds + 30));
  const waits = Promise.allSettled(answers);
  // One whose time is up in the stall ends in it.
  const impatient = waiter?.wait('never-sent', WAIT).catch(() => undefined);
  const waited = impatient?.then(() => (Date.now() - began) / 1000);
  await delay(seconds * 1000);
  stack.broker?.resume();
  const up = Date.now();
  const recovered = (): number | undefined => firstStartAfter(arena, up);
  await arena.until('tasks run again', limit + 30, () => recovered() !== undefined);
  await load.stop();
  await arena.quiesce(stack.takeover + 30);
  const ended = await waits;
  const published = arena.published();
  const refused = published.find(({ mark, time }) => (mark === 'maybe' || mark === 'no') && time >= began && time <= up);
  const violations: string[] = [];
  if (seconds > stack.publishTimeout + 1 && refused === undefined) violations.push('no publish was refused in the stall');
  const late = answeredLate(published, began, up - (stack.publishTimeout + 1) * 1000);
  if (late.length > 0) violations.push(`${late.length} publishes waited for the broker beyond their deadline, as ${late[0]}`);
  const unanswered = ended.filter(({ status }) => status === 'rejected').length;
  if (unanswered > 0) violations.push(`${unanswered} of ${asked.length} waits got no answer`);
  return await arena.result({
    inFlight: unsettledIn(arena, [[began, up]]) + inDoubt(arena, [began, up]),
    recoverySeconds: [recovered() ?? Number.POSITIVE_INFINITY],
    ...(refused === undefined ? {} : { detectionSeconds: (refused.time - began) / 1000 }),
    timed: [
      slowestPublish(arena),
      ...(waited === undefined ? [] : [{ what: `a wait of ${WAIT} s ended`, seconds: await waited, promised: WAIT }]),
      { what: 'tasks ran again', seconds: recovered() ?? Number.POSITIVE_INFINITY, promised: limit, slack: 0 },
    ],
    violations,
  });
}

/** Ids of publishes that began between these times (epoch ms) in the stall and whose first answer was the broker's. */
function answeredLate(published: readonly PublishLine[], from: number, to: number): readonly string[] {
  const open = new Set<string>();
  const late: string[] = [];
  for (const { mark, id, time } of published) {
    if (mark === 'try' && time > from && time < to) open.add(id);
    // The broker may answer yet in the moment in which it is being stopped.
    else if (open.delete(id) && mark === 'ok' && time > from + 1000) late.push(id);
  }
  return late;
}

const applies: Scenario['applies'] = [
  'redis',
  'redis-celery',
  'rabbitmq-classic',
  'rabbitmq-quorum',
  'celery-redis',
  'celery-rabbitmq',
  'bullmq',
];

export const brokerStall: Scenario = {
  id: 'broker-stall',
  title: 'Broker stopped (SIGSTOP) for 5 s',
  applies,
  run: (context) => stall(context, 5),
};

/** For the long runs only. */
export const brokerLongStall: Scenario = {
  id: 'broker-stall-60',
  title: 'Broker stopped (SIGSTOP) for 60 s',
  applies,
  longOnly: true,
  run: (context) => stall(context, 60),
};
