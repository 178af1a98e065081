// Messages that follow one another in one place (verdict `become`): within one turn only what the last of them came to is written.
import type { Delivery, Outgoing, Settlement } from './seam.ts';

/** Is this, so far as a store of queues can tell, a message for the same queue and place as that one? */
export function isInPlace(next: Outgoing, { queue, properties }: Delivery): boolean {
  const { exchange, routingKey, dueAt } = next;
  const isAsUrgent = (next.properties.priority ?? 0) === (properties.priority ?? 0);
  return exchange === '' && routingKey === queue && dueAt === undefined && isAsUrgent;
}

/** Verdicts after which a message lies in its place no more, whatever lay there before them. */
const FINAL = new Set<Settlement['verdict']>(['ack', 'reject', 'deadLetter', 'become']);

/** Without those whose successor is over in the same turn as well: its end is the end of their place. */
export function withoutOver(settlements: readonly Settlement[]): readonly Settlement[] {
  if (settlements.every(({ verdict }) => verdict !== 'become')) return settlements;
  const ended = new Set(settlements.flatMap(({ verdict, delivery }) => (FINAL.has(verdict) ? delivery : [])));
  return settlements.filter((settlement) => settlement.verdict !== 'become' || !ended.has(settlement.successor));
}

/** Where a successor was lost its place was, and so what it followed. */
export function withPredecessors(settlements: readonly Settlement[], lost: readonly Delivery[]): readonly Delivery[] {
  if (lost.length === 0) return lost;
  const gone = new Set(lost);
  for (const settlement of settlements.toReversed()) {
    if (settlement.verdict === 'become' && gone.has(settlement.successor)) gone.add(settlement.delivery);
  }
  return [...gone];
}
