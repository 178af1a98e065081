// Verdicts as arguments of the turn script: what moves where, with which envelope.
import { logger } from '../../util/index.ts';
import { deadLetterQueue } from '../dead-letters.ts';
import type { Settlement } from '../seam.ts';
import type { RedisContext } from './context.ts';
import { deadEnvelope, returnedEnvelope } from './envelope.ts';
import { byPlace, fieldOf, type HeldPlace, placeOf } from './held.ts';

const log = logger('broker', 'redis');

/** The handle of a delivery: its place in the holder's hash, and its text. */
export interface HeldTag extends HeldPlace {
  readonly raw: string;
}

type Argument = string | number;

/** Number of settlements, then each as kind, count, arguments. All that just end are one. */
export function settlementArguments(settlements: readonly Settlement[], context: RedisContext): readonly Argument[] {
  const ended: HeldPlace[] = [];
  const moved: Argument[][] = [];
  const fronts: Argument[][] = [];
  for (const settlement of settlements) {
    const one = settle(settlement, context);
    if (one === undefined) ended.push(settlement.delivery.tag as HeldTag);
    else (settlement.verdict === 'requeue' && !settlement.counted ? fronts : moved).push(one);
  }
  // To the front newest first, so that the oldest is the next to be taken.
  fronts.sort((a, b) => byPlace(placeOf(`${b[2]}`), placeOf(`${a[2]}`)));
  moved.push(...fronts);
  moved.unshift(...endedArguments(ended));
  return [moved.length, ...moved.flat()];
}

/**
 * The same for messages that all just end, as LEAN_TURN reads it: the number of runs, then turn, list, first and last place of each.
 * Undefined when one of them goes somewhere.
 */
export function leanSettlementArguments(settlements: readonly Settlement[]): Argument[] | undefined {
  const places: HeldPlace[] = [];
  for (const { verdict, delivery } of settlements) {
    if (verdict !== 'ack' && verdict !== 'reject') return undefined;
    places.push(delivery.tag as HeldTag);
  }
  const runs = runsOf(places);
  const out: Argument[] = [runs.length];
  for (const { turn, list, place, last } of runs) out.push(turn, list, place, last);
  return out;
}

interface Run extends HeldPlace {
  last: number;
}

/** Each as a field, or, where they came one after the other, from and to. */
function endedArguments(places: readonly HeldPlace[]): Argument[][] {
  if (places.length === 0) return [];
  const runs = runsOf(places);
  if (runs.length * 6 > places.length) return [['ack', places.length, ...places.map(fieldOf)]];
  return runs.map(({ turn, list, place, last }) => ['acks', 4, turn, list, place, last]);
}

function runsOf(places: readonly HeldPlace[]): readonly Run[] {
  const runs: Run[] = [];
  for (const { turn, place, list } of places) {
    const run = runs.at(-1);
    if (run !== undefined && run.turn === turn && run.last === place - 1 && run.list === list) run.last = place;
    else runs.push({ turn, place, list, last: place });
  }
  return runs;
}

/** Undefined when the message just ends. */
function settle(settlement: Settlement, context: RedisContext): Argument[] | undefined {
  const tag = settlement.delivery.tag as HeldTag;
  const { raw } = tag;
  const field = fieldOf(tag);
  const { keys } = context;
  if (settlement.verdict === 'requeue') {
    const { counted, delivery } = settlement;
    const envelope = returnedEnvelope(raw, counted ? { started: delivery.attempts } : {});
    // As Celery: what was refused goes to the back, what was never finished to the front.
    return ['move', 4, field, tag.list, counted ? 'LPUSH' : 'RPUSH', envelope];
  }
  if (settlement.verdict === 'become') return ['become', 2, field, (settlement.successor.tag as HeldTag).raw];
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
  const tag = settlement.delivery.tag as HeldTag;
  const { raw } = tag;
  const field = fieldOf(tag);
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
