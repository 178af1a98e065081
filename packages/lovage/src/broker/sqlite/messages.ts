// Messages on their way into queues of the file: pushed, or promoted when they are due. Runs inside a transaction.
import type { SqliteConnection } from '../../util/index.ts';
import { startedBefore } from '../dead-letters.ts';
import { expiresAt, priorityOf } from '../declarations.ts';
import type { Outgoing } from '../seam.ts';
import { findQueue, type QueueRow } from './queues.ts';
import { wakeOne } from './wake.ts';

/** A message encoded for the file, before the transaction that may have to be tried more than once. */
export interface PushRow {
  readonly queue: string;
  readonly message: Outgoing;
  readonly envelope: string;
}

/** Stores rows and wakes somebody for each queue. Resolves to the positions of those whose queue is unknown. */
export function pushRows(
  db: SqliteConnection,
  rows: readonly PushRow[],
  now: number,
  unknownQueue: (name: string) => QueueRow | undefined,
): readonly number[] {
  const queues = new Map<string, QueueRow | undefined>();
  const unknown: number[] = [];
  const insert = db.statement('INSERT INTO lovage_messages (queue, rank, expires, envelope, body) VALUES (?, ?, ?, ?, ?)');
  for (const [index, { queue: name, message, envelope }] of rows.entries()) {
    let queue = queues.get(name);
    if (queue === undefined) {
      queue = findQueue(db, name) ?? unknownQueue(name);
      queues.set(name, queue);
    }
    if (queue === undefined) {
      unknown.push(index);
      continue;
    }
    // Rank 0 comes first: the highest priority.
    const rank = 9 - priorityOf(message);
    const expires = expiresAt(queue.messageTtl, now) ?? null;
    const id = insert.run(queue.id, rank, expires, envelope, message.body).lastInsertRowid;
    const started = startedBefore(message.headers);
    if (message.dueAt !== undefined && message.dueAt > now) {
      db.statement('INSERT INTO lovage_parked (due, id, queue, rank, attempts) VALUES (?, ?, ?, ?, ?)').run(
        message.dueAt,
        id,
        queue.id,
        rank,
        started,
      );
    } else
      db.statement('INSERT INTO lovage_ready (queue, rank, id, attempts, redelivered) VALUES (?, ?, ?, ?, 0)').run(
        queue.id,
        rank,
        id,
        started,
      );
  }
  for (const queue of queues.values()) {
    if (queue?.maxLength !== undefined) trim(db, queue.id, queue.maxLength);
    // Whoever wakes for a parked message sets its alarm.
    if (queue !== undefined) wakeOne(db, queue.name);
  }
  return unknown;
}

/** Drops the oldest beyond the queue's limit. */
function trim(db: SqliteConnection, queue: number, maxLength: number): void {
  const excess = Number(db.statement('SELECT count(*) AS n FROM lovage_ready WHERE queue = ?').get(queue)?.n) - maxLength;
  if (excess <= 0) return;
  const rows = db.statement('SELECT rank, id FROM lovage_ready WHERE queue = ? ORDER BY id LIMIT ? + 0').all(queue, excess);
  for (const row of rows) {
    db.statement('DELETE FROM lovage_ready WHERE queue = ? AND rank = ? AND id = ?').run(queue, Number(row.rank), Number(row.id));
    db.statement('DELETE FROM lovage_messages WHERE id = ?').run(Number(row.id));
  }
}

/** Moves what is due into its queues; resolves to when the next is due. */
export function promoteDue(db: SqliteConnection, now: number): number | undefined {
  const next = nextDue(db);
  if (next === undefined || next > now) return next;
  const names = db
    .statement('SELECT DISTINCT q.name FROM lovage_parked AS p JOIN lovage_queues AS q ON q.id = p.queue WHERE p.due <= ?')
    .all(now);
  db.statement('INSERT OR REPLACE INTO lovage_ready SELECT queue, rank, id, attempts, 0 FROM lovage_parked WHERE due <= ?').run(
    now,
  );
  db.statement('DELETE FROM lovage_parked WHERE due <= ?').run(now);
  for (const row of names) wakeOne(db, String(row.name));
  return nextDue(db);
}

function nextDue(db: SqliteConnection): number | undefined {
  const due = db.statement('SELECT min(due) AS due FROM lovage_parked').get()?.due;
  return typeof due === 'number' ? due : undefined;
}
