// Taking the next messages: a prefix of each queue's order moves from the ready rows to the held rows. Runs inside a transaction.
import type { SqliteConnection } from '../../util/index.ts';
import type { Delivery } from '../seam.ts';
import type { DeliveryReader } from './delivery.ts';
import { findQueue } from './queues.ts';

/** Most bytes of bodies that one take reads into memory. */
const MAX_TAKE_BYTES = 16_000_000;

export interface TakeCall {
  readonly holder: number;
  readonly generation: number;
  readonly queues: readonly string[];
  readonly max: number;
  readonly now: number;
  /** Where the turns among the queues begin, so that all get theirs. */
  readonly rotation: number;
  readonly reader: DeliveryReader;
}

interface Source {
  readonly name: string;
  readonly id: number;
}

/** Priority first; among equals the queues take turns. */
export function take(db: SqliteConnection, call: TakeCall): Delivery[] {
  const sources: Source[] = [];
  for (let at = 0; at < call.queues.length; at++) {
    const queue = findQueue(db, call.queues[(at + call.rotation) % call.queues.length] ?? '');
    if (queue !== undefined) sources.push(queue);
  }
  const [only] = sources;
  if (only === undefined) return [];
  if (sources.length === 1) return takeFrom(db, only, call.max, call).map(({ delivery }) => delivery);
  return takeInTurns(db, sources, call);
}

function takeInTurns(db: SqliteConnection, sources: readonly Source[], call: TakeCall): Delivery[] {
  const shares = new Map<Source, number>();
  const waiting = sources.flatMap((source) =>
    db
      .statement('SELECT rank FROM lovage_ready WHERE queue = ? ORDER BY rank, id LIMIT ? + 0')
      .all(source.id, call.max)
      .map((row, place) => ({ source, rank: Number(row.rank), place })),
  );
  for (const { source } of inTurns(waiting).slice(0, call.max)) shares.set(source, (shares.get(source) ?? 0) + 1);
  const taken = [...shares].flatMap(([source, share]) =>
    takeFrom(db, source, share, call).map((entry, place) => ({ ...entry, place })),
  );
  return inTurns(taken).map(({ delivery }) => delivery);
}

/** Sorts by rank, and within a rank so that the first of every queue comes before the second of any. */
function inTurns<Entry extends { readonly rank: number; readonly place: number }>(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => a.rank - b.rank || a.place - b.place);
}

/** What hardly any message has is one column, because each column costs a row a third more. Casts: in a damaged file anything may stand here. */
const STANDING = `CASE WHEN r.attempts = 0 AND r.redelivered = 0 AND m.expires IS NULL THEN NULL
  ELSE json_array(CAST(r.attempts AS INTEGER), CAST(r.redelivered AS INTEGER), CAST(m.expires AS REAL)) END`;

interface Standing {
  readonly attempts: number;
  readonly redelivered: number;
  readonly expires: number | null;
}

const FRESH: Standing = { attempts: 0, redelivered: 0, expires: null };

function standingOf(value: unknown): Standing {
  if (typeof value !== 'string') return FRESH;
  const [attempts = 0, redelivered = 0, expires = null] = JSON.parse(value) as readonly [number?, number?, (number | null)?];
  return { attempts, redelivered, expires };
}

interface Taken {
  readonly delivery: Delivery;
  readonly rank: number;
}

/** Up to `max` of one queue. Those that have expired are deleted on the way and take nobody's place. */
function takeFrom(db: SqliteConnection, source: Source, max: number, call: TakeCall): Taken[] {
  const taken: Taken[] = [];
  let bytes = 0;
  for (;;) {
    const wanted = max - taken.length;
    const rows = nextRows(db, source, wanted);
    const expired: number[] = [];
    let last: { readonly rank: number; readonly id: number } | undefined;
    for (const row of rows) {
      if (bytes > MAX_TAKE_BYTES) break;
      const id = Number(row[1]);
      const rank = Number(row[0]);
      last = { rank, id };
      const { attempts, redelivered, expires } = standingOf(row[2]);
      if (expires !== null && expires <= call.now) {
        expired.push(id);
        continue;
      }
      const delivery = call.reader.read(row[3], row[4] ?? bodyOf(db, id), {
        queue: source.name,
        redelivered: redelivered === 1,
        attempts: attempts + 1,
        generation: call.generation,
        tag: id,
      });
      bytes += delivery.body.byteLength;
      taken.push({ delivery, rank });
    }
    if (last !== undefined) moveToHeld(db, source.id, last, call.holder, expired);
    if (taken.length >= max || rows.length < wanted || bytes > MAX_TAKE_BYTES) return taken;
  }
}

type Row = readonly [rank: unknown, id: unknown, standing: unknown, envelope: unknown, body: unknown];

/** The first rows of a queue. A body that is large beside what a take may read is left out: only those are read that are taken. */
function nextRows(db: SqliteConnection, source: Source, max: number): readonly Row[] {
  const statement = db.statement(
    `SELECT r.rank, r.id, ${STANDING}, m.envelope, CASE WHEN length(m.body) <= ? THEN m.body END
     FROM lovage_ready AS r JOIN lovage_messages AS m ON m.id = r.id WHERE r.queue = ? ORDER BY r.rank, r.id LIMIT ? + 0`,
  );
  // Half as much work a row as objects with names.
  statement.setReturnArrays(true);
  return statement.all(MAX_TAKE_BYTES / max, source.id, max) as unknown as readonly Row[];
}

function bodyOf(db: SqliteConnection, id: number): unknown {
  return db.statement('SELECT body FROM lovage_messages WHERE id = ?').get(id)?.body;
}

function moveToHeld(
  db: SqliteConnection,
  queue: number,
  last: { readonly rank: number; readonly id: number },
  holder: number,
  expired: readonly number[],
): void {
  // OR REPLACE: in a damaged file one message may have two places.
  db.statement(
    'INSERT OR REPLACE INTO lovage_held SELECT ?, id, attempts FROM lovage_ready WHERE queue = ? AND (rank, id) <= (?, ?)',
  ).run(holder, queue, last.rank, last.id);
  db.statement('DELETE FROM lovage_ready WHERE queue = ? AND (rank, id) <= (?, ?)').run(queue, last.rank, last.id);
  for (const id of expired) {
    db.statement('DELETE FROM lovage_held WHERE holder = ? AND id = ?').run(holder, id);
    db.statement('DELETE FROM lovage_messages WHERE id = ?').run(id);
  }
}
