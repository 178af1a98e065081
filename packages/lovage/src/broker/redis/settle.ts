// Verdicts as arguments of the turn script: what moves where, with which envelope.
import { logger } from '../../util/index.ts';
import { deadLetterQueue } from '../dead-letters.ts';
import type { Settlement } from '../seam.ts';
import type { RedisContext } from './context.ts';
import { deadEnvelope, returnedEnvelope } from './envelope.ts';
import { fieldOrder, listOfField } from './give-back.ts';

const log = logger('broker', 'redis');

/** The handle of a delivery: its field in the holder's hash, and its text. */
export interface HeldTag {
  readonly field: string;
  readonly raw: string;
}

type Argument = string | number;

/** Number of settlements, then each as kind, count, arguments. All that just end are one. */
export function settlementArguments(settlements: readonly Settlement[], context: RedisContext): readonly Argument[] {
  const ended: Argument[] = [];
  const moved: Argument[][] = [];
  const fronts: Argument[][] = [];
  for (const settlement of settlements) {
    const one = settle(settlement, context);
    if (one === undefined) ended.push((settlement.delivery.tag as HeldTag).field);
    else (settlement.verdict === 'requeue' && !settlement.counted ? fronts : moved).push(one);
  }
  // To the front newest first, so that the oldest is the next to be taken.
  fronts.sort((a, b) => fieldOrder(`${b[2]}`) - fieldOrder(`${a[2]}`));
  moved.push(...fronts);
  if (ended.length > 0) moved.unshift(['ack', ended.length, ...ended]);
  return [moved.length, ...moved.flat()];
}

/** Undefined when the message just ends. */
function settle(settlement: Settlement, context: RedisContext): Argument[] | undefined {
  const { field, raw } = settlement.delivery.tag as HeldTag;
  const { keys } = context;
  if (settlement.verdict === 'requeue') {
    const { counted, delivery } = settlement;
    const envelope = returnedEnvelope(raw, counted ? { started: delivery.attempts } : {});
    // As Celery: what was refused goes to the back, what was never finished to the front.
    return ['move', 4, field, listOfField(field), counted ? 'LPUSH' : 'RPUSH', envelope];
  }
  if (settlement.verdict === 'park') {
    const { queue } = settlement.delivery;
    context.parking.tell(settlement.until);
    return ['park', 6, field, keys.parked(queue), keys.parkedQueues, queue, settlement.until - Date.now() / 1000, raw];
  }
  if (settlement.verdict === 'deadLetter') return deadLetterArguments(settlement, context);
  return undefined;
}

function deadLetterArguments(
  settlement: Extract<Settlement, { readonly verdict: 'deadLetter' }>,
  { keys, deadLetters }: RedisContext,
): Argument[] | undefined {
  const { field, raw } = settlement.delivery.tag as HeldTag;
  const { queue } = settlement.delivery;
  if (deadLetters.mode !== 'lovage') {
    log.warn('A message of {queue} is dropped: {reason}', { queue, reason: settlement.reason, error: settlement.error });
    return undefined;
  }
  const now = Date.now() / 1000;
  const oldest = new Date((now - deadLetters.ttl) * 1000).toISOString();
  const list = keys.list(deadLetterQueue(queue), 0);
  const { maxLength, ttl } = deadLetters;
  return ['dead', 6, field, list, deadEnvelope(raw, settlement, now), maxLength, Math.round(ttl * 1000), oldest];
}
