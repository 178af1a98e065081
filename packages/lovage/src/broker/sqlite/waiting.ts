// A look into the queues of the file, and a hand in them: list, delete and reschedule what no worker has, and the marks of paused queues.
// Functions that get a connection run inside a piece of work on the file.
import type { SqliteConnection, SqliteFile } from '../../util/index.ts';
import type { Message, Waiting, WaitingQuery } from '../seam.ts';
import { taskIdOf, waitingOf, withEta } from '../waiting.ts';
import { readEnvelope, writeEnvelope } from './envelope.ts';
import { findQueue } from './queues.ts';
import { wakeOne } from './wake.ts';

interface Row {
  readonly id: number;
  readonly waiting: Waiting;
}

const READY = `SELECT r.id, 0 AS due, m.envelope, m.body FROM lovage_ready AS r JOIN lovage_messages AS m ON m.id = r.id
  WHERE r.queue = ?1 AND CHOSEN ORDER BY r.rank, r.id`;
const PARKED = `SELECT p.id, p.due, m.envelope, m.body FROM lovage_parked AS p JOIN lovage_messages AS m ON m.id = p.id
  WHERE p.queue = ?1 AND CHOSEN ORDER BY p.due, p.id`;
/** The envelope is looked into as a text first: only what has one of the ids in it is read. */
const CHOSEN = 'EXISTS (SELECT 1 FROM json_each(?2) AS j WHERE instr(m.envelope, j.value) > 0)';

function rowsOf(db: SqliteConnection, name: string, { state = 'all', ids, limit }: WaitingQuery): readonly Row[] {
  const queue = findQueue(db, name);
  if (queue === undefined) return [];
  const wanted = ids === undefined ? undefined : new Set<string | undefined>(ids);
  const out: Row[] = [];
  for (const sql of [...(state === 'parked' ? [] : [READY]), ...(state === 'ready' ? [] : [PARKED])]) {
    const rows =
      wanted === undefined
        ? db.statement(`${sql.replace('CHOSEN', '1')} LIMIT ?2 + 0`).all(queue.id, limit === undefined ? -1 : limit - out.length)
        : db.statement(sql.replace('CHOSEN', CHOSEN)).all(queue.id, JSON.stringify(ids));
    for (const row of rows) {
      const message = readEnvelope(row.envelope, row.body, name);
      if (wanted !== undefined && !wanted.has(taskIdOf(message))) continue;
      const due = Number(row.due);
      out.push({ id: Number(row.id), waiting: waitingOf(message, due > 0 ? due : undefined) });
    }
  }
  return out.slice(0, limit);
}

export function listWaiting(db: SqliteConnection, queue: string, query: WaitingQuery): readonly Waiting[] {
  return rowsOf(db, queue, query).map(({ waiting }) => waiting);
}

function leave(db: SqliteConnection, rows: readonly Row[]): string {
  const list = JSON.stringify(rows.map(({ id }) => id));
  for (const table of ['lovage_ready', 'lovage_parked'])
    db.statement(`DELETE FROM ${table} WHERE id IN (SELECT value FROM json_each(?))`).run(list);
  return list;
}

export function removeWaiting(db: SqliteConnection, queue: string, ids: readonly string[]): readonly Waiting[] {
  const rows = rowsOf(db, queue, { ids });
  db.statement('DELETE FROM lovage_messages WHERE id IN (SELECT value FROM json_each(?))').run(leave(db, rows));
  return rows.map(({ waiting }) => waiting);
}

export function rescheduleWaiting(
  db: SqliteConnection,
  queue: string,
  query: WaitingQuery,
  due: { readonly at: number | undefined; readonly now: number },
): readonly Waiting[] {
  const rows = rowsOf(db, queue, query);
  const isLater = due.at !== undefined && due.at > due.now;
  // What was started before keeps its count.
  const counts = new Map<number, number>();
  for (const table of ['lovage_ready', 'lovage_parked']) {
    for (const row of db
      .statement(`SELECT id, attempts FROM ${table} WHERE id IN (SELECT value FROM json_each(?))`)
      .all(JSON.stringify(rows.map(({ id }) => id)))) {
      counts.set(Number(row.id), Number(row.attempts));
    }
  }
  leave(db, rows);
  const changed = rows.map(({ id, waiting: { message } }) => {
    const again = { ...message, headers: withEta(message.headers, due.at) };
    db.statement('UPDATE lovage_messages SET envelope = ? WHERE id = ?').run(writeEnvelope(again), id);
    const attempts = counts.get(id) ?? 0;
    if (isLater)
      db.statement('INSERT INTO lovage_parked SELECT ?, id, queue, rank, ? FROM lovage_messages WHERE id = ?').run(
        due.at ?? 0,
        attempts,
        id,
      );
    else
      db.statement('INSERT INTO lovage_ready SELECT queue, rank, id, ?, 0 FROM lovage_messages WHERE id = ?').run(attempts, id);
    return waitingOf(again, isLater ? due.at : undefined);
  });
  // Whoever wakes for a parked message sets its alarm.
  if (changed.length > 0) wakeOne(db, queue);
  return changed;
}

/** Parked messages that are looked at at once, so that others get their turn at the file. */
const PIECE = 500;
const NEXT = `SELECT p.due, p.id, m.envelope FROM lovage_parked AS p JOIN lovage_messages AS m ON m.id = p.id
  WHERE (p.due, p.id) > (?, ?) AND p.queue = ? ORDER BY p.due, p.id LIMIT ${PIECE}`;

/** Makes those ready that are meant, as they are. Bodies are not read. */
export async function* wakeWaiting(
  file: SqliteFile,
  name: string,
  isMeant: (message: Message) => boolean,
): AsyncGenerator<number> {
  let [due, last] = [0, 0];
  for (;;) {
    const rows = await file.read((db) => {
      const queue = findQueue(db, name);
      return queue === undefined ? [] : db.statement(NEXT).all(due, last, queue.id);
    });
    const ids = rows.filter((row) => isMeant(readEnvelope(row.envelope, null, name))).map((row) => Number(row.id));
    yield ids.length === 0 ? 0 : await file.write((db) => unpark(db, name, ids));
    const end = rows.at(-1);
    if (end === undefined || rows.length < PIECE) return;
    [due, last] = [Number(end.due), Number(end.id)];
  }
}

/** What was started before keeps its count. */
function unpark(db: SqliteConnection, queue: string, ids: readonly number[]): number {
  const list = JSON.stringify(ids);
  const moved = db
    .statement(
      'INSERT INTO lovage_ready SELECT queue, rank, id, attempts, 0 FROM lovage_parked WHERE id IN (SELECT value FROM json_each(?))',
    )
    .run(list);
  db.statement('DELETE FROM lovage_parked WHERE id IN (SELECT value FROM json_each(?))').run(list);
  if (Number(moved.changes) > 0) wakeOne(db, queue);
  return Number(moved.changes);
}

export function pauseQueues(db: SqliteConnection, queues: readonly string[]): void {
  for (const queue of queues) db.statement('INSERT OR IGNORE INTO lovage_paused (queue) VALUES (?)').run(queue);
}

export function resumeQueues(db: SqliteConnection, queues: readonly string[]): void {
  for (const queue of queues) db.statement('DELETE FROM lovage_paused WHERE queue = ?').run(queue);
}

export function pausedQueues(db: SqliteConnection, queues: readonly string[]): readonly string[] {
  const paused = new Set(
    db
      .statement('SELECT queue FROM lovage_paused')
      .all()
      .map((row) => String(row.queue)),
  );
  return queues.filter((queue) => paused.has(queue));
}
