// Verdicts in the file, and giving back what a holder held. Runs inside a transaction.
import { type SqliteConnection, systemClock } from '../../util/index.ts';
import { type DeadLetterSettlement, deadLetter, deadLetterDeclaration, deadLetterQueue } from '../dead-letters.ts';
import type { DeadLetterPolicy, Delivery, Settlement } from '../seam.ts';
import { withoutOver } from '../succession.ts';
import { writeEnvelope } from './envelope.ts';
import { pushRows } from './messages.ts';
import { declareQueue, findQueue } from './queues.ts';
import { wakeOne } from './wake.ts';

/** What is to be done with the deliveries of one turn, sorted by what it takes. */
interface Sorted {
  readonly gone: number[];
  readonly counted: number[];
  readonly uncounted: number[];
  readonly queues: Set<string>;
}

/** Applies the verdicts of a holder that still has its row. */
export function settle(db: SqliteConnection, holder: number, settlements: readonly Settlement[], policy: DeadLetterPolicy): void {
  const sorted: Sorted = { gone: [], counted: [], uncounted: [], queues: new Set() };
  for (const settlement of withoutOver(settlements)) {
    const { delivery } = settlement;
    const id = delivery.tag as number;
    switch (settlement.verdict) {
      case 'requeue':
        (settlement.counted ? sorted.counted : sorted.uncounted).push(id);
        sorted.queues.add(delivery.queue);
        break;
      case 'become':
        succeed(db, holder, id, settlement.successor);
        break;
      case 'park':
        park(db, holder, id, settlement.until);
        break;
      case 'deadLetter':
        if (policy.mode === 'lovage') bury(db, settlement, policy);
        sorted.gone.push(id);
        break;
      default:
        sorted.gone.push(id);
    }
  }
  if (sorted.gone.length > 0) forget(db, holder, sorted.gone);
  if (sorted.counted.length > 0) giveBack(db, holder, 1, sorted.counted);
  if (sorted.uncounted.length > 0) giveBack(db, holder, 0, sorted.uncounted);
  for (const queue of sorted.queues) wakeOne(db, queue);
}

function forget(db: SqliteConnection, holder: number, ids: readonly number[]): void {
  let [first = 0] = ids;
  let last = first;
  for (const id of ids) {
    if (id < first) first = id;
    else if (id > last) last = id;
  }
  // The usual batch of a drain: no id between its ends is anybody else's, and a range costs half of a list.
  if (last - first + 1 === ids.length) {
    db.statement('DELETE FROM lovage_held WHERE holder = ? AND id BETWEEN ? AND ?').run(holder, first, last);
    db.statement('DELETE FROM lovage_messages WHERE id BETWEEN ? AND ?').run(first, last);
    return;
  }
  const list = JSON.stringify(ids);
  db.statement('DELETE FROM lovage_held WHERE holder = ? AND id IN (SELECT value FROM json_each(?))').run(holder, list);
  db.statement('DELETE FROM lovage_messages WHERE id IN (SELECT value FROM json_each(?))').run(list);
}

/** The row of a message becomes that of what follows it. */
function succeed(db: SqliteConnection, holder: number, id: number, successor: Delivery): void {
  db.statement(
    `UPDATE lovage_messages SET envelope = ?, body = ?, expires = (SELECT ? + message_ttl FROM lovage_queues AS q WHERE q.id = queue)
     WHERE id = ? AND EXISTS (SELECT 1 FROM lovage_held AS h WHERE h.holder = ? AND h.id = ?)`,
  ).run(writeEnvelope(successor), successor.body, systemClock.now(), id, holder, id);
  db.statement('UPDATE lovage_held SET attempts = 0 WHERE holder = ? AND id = ?').run(holder, id);
}

function park(db: SqliteConnection, holder: number, id: number, until: number): void {
  db.statement(
    `INSERT OR REPLACE INTO lovage_parked SELECT ?, m.id, m.queue, m.rank, h.attempts
     FROM lovage_held AS h JOIN lovage_messages AS m ON m.id = h.id WHERE h.holder = ? AND h.id = ?`,
  ).run(until, holder, id);
  db.statement('DELETE FROM lovage_held WHERE holder = ? AND id = ?').run(holder, id);
}

function bury(db: SqliteConnection, settlement: DeadLetterSettlement, policy: DeadLetterPolicy): void {
  const now = systemClock.now();
  const { queue } = settlement.delivery;
  // One that exists keeps its limits, whatever the policy says today.
  if (findQueue(db, deadLetterQueue(queue)) === undefined) declareQueue(db, deadLetterDeclaration(queue, policy), now);
  const message = deadLetter(settlement, now);
  pushRows(db, [{ queue: deadLetterQueue(queue), message, envelope: writeEnvelope(message) }], now, () => undefined);
}

/** Puts deliveries back at their old places; all of the holder's when `ids` is not given. Those of a removed queue are dropped. */
export function giveBack(db: SqliteConnection, holder: number, counts: 0 | 1, ids?: readonly number[]): void {
  const chosen = ids === undefined ? '' : 'AND h.id IN (SELECT value FROM json_each(?))';
  const list = ids === undefined ? [] : [JSON.stringify(ids)];
  db.statement(
    `DELETE FROM lovage_messages WHERE queue NOT IN (SELECT id FROM lovage_queues)
     AND id IN (SELECT id FROM lovage_held AS h WHERE h.holder = ? ${chosen})`,
  ).run(holder, ...list);
  db.statement(
    `INSERT OR REPLACE INTO lovage_ready SELECT m.queue, m.rank, h.id, h.attempts + ?, 1
     FROM lovage_held AS h JOIN lovage_messages AS m ON m.id = h.id WHERE h.holder = ? ${chosen}`,
  ).run(counts, holder, ...list);
  db.statement(`DELETE FROM lovage_held AS h WHERE h.holder = ? ${chosen}`).run(holder, ...list);
}
