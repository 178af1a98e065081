// Queues and bindings in the file: declare, find, count, look, purge, remove. All functions run inside a piece of work on the file.
import type { SqliteConnection } from '../../util/index.ts';
import { declarationText, queueLimits, refuseOtherDeclaration } from '../declarations.ts';
import type { ExchangeType, Message, QueueCount, QueueDeclaration } from '../seam.ts';
import type { StoredBinding } from '../store.ts';
import { readEnvelope } from './envelope.ts';

export interface QueueRow {
  readonly id: number;
  readonly name: string;
  readonly messageTtl: number | undefined;
  readonly maxLength: number | undefined;
}

/** Declares a queue, or throws when it exists with other arguments. Declaring counts as use. */
export function declareQueue(db: SqliteConnection, queue: QueueDeclaration, now: number): void {
  const known = db.statement('SELECT declaration FROM lovage_queues WHERE name = ?').get(queue.name);
  refuseOtherDeclaration(queue, known === undefined ? undefined : String(known.declaration));
  if (queue.passive === true) {
    db.statement('UPDATE lovage_queues SET used = ? WHERE name = ?').run(now, queue.name);
    return;
  }
  const { messageTtl, expires, maxLength } = queueLimits(queue);
  db.statement(
    `INSERT INTO lovage_queues (name, declaration, message_ttl, expires, max_length, auto_delete, used) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET used = excluded.used`,
  ).run(
    queue.name,
    declarationText(queue),
    messageTtl ?? null,
    expires ?? null,
    maxLength ?? null,
    queue.autoDelete === true || queue.exclusive === true ? 1 : 0,
    now,
  );
}

export function findQueue(db: SqliteConnection, name: string): QueueRow | undefined {
  const row = db.statement('SELECT id, message_ttl, max_length FROM lovage_queues WHERE name = ?').get(name);
  if (row === undefined) return undefined;
  return { id: Number(row.id), name, messageTtl: numberOf(row.message_ttl), maxLength: numberOf(row.max_length) };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

export function bind(db: SqliteConnection, { exchange, routingKey, queue, type }: StoredBinding): void {
  db.statement('INSERT OR REPLACE INTO lovage_bindings (exchange, routing_key, queue, type) VALUES (?, ?, ?, ?)').run(
    exchange,
    routingKey,
    queue,
    type,
  );
}

export function bindingsOf(db: SqliteConnection, exchange: string): StoredBinding[] {
  const rows = db.statement('SELECT routing_key, queue, type FROM lovage_bindings WHERE exchange = ?').all(exchange);
  return rows.map((row) => ({
    exchange,
    routingKey: String(row.routing_key),
    queue: String(row.queue),
    type: row.type as ExchangeType,
  }));
}

export function allBindings(db: SqliteConnection): readonly StoredBinding[] {
  const rows = db.statement('SELECT DISTINCT exchange FROM lovage_bindings ORDER BY exchange').all();
  return rows.flatMap(({ exchange }) => bindingsOf(db, String(exchange)));
}

export function countQueue(db: SqliteConnection, name: string): QueueCount | undefined {
  const queue = findQueue(db, name);
  if (queue === undefined) return undefined;
  const one = (sql: string): number => Number(db.statement(sql).get(queue.id)?.n);
  return {
    ready: one('SELECT count(*) AS n FROM lovage_ready WHERE queue = ?'),
    held: one('SELECT count(*) AS n FROM lovage_held AS h JOIN lovage_messages AS m ON m.id = h.id WHERE m.queue = ?'),
    parked: one('SELECT count(*) AS n FROM lovage_parked WHERE queue = ?'),
  };
}

export function peekQueue(db: SqliteConnection, name: string, limit: number): Message[] {
  const queue = findQueue(db, name);
  if (queue === undefined) return [];
  const rows = db
    .statement(
      `SELECT m.envelope, m.body FROM lovage_ready AS r JOIN lovage_messages AS m ON m.id = r.id
       WHERE r.queue = ? ORDER BY r.rank, r.id LIMIT ? + 0`,
    )
    .all(queue.id, limit);
  return rows.map((row) => readEnvelope(row.envelope, row.body, name));
}

/** Deletes what waits and what is parked; what is held stays with its holder. */
export function purgeQueue(db: SqliteConnection, name: string): number {
  const queue = findQueue(db, name);
  if (queue === undefined) return 0;
  let deleted = 0;
  for (const table of ['lovage_ready', 'lovage_parked']) {
    db.statement(`DELETE FROM lovage_messages WHERE id IN (SELECT id FROM ${table} WHERE queue = ?)`).run(queue.id);
    deleted += Number(db.statement(`DELETE FROM ${table} WHERE queue = ?`).run(queue.id).changes);
  }
  return deleted;
}

/** The queue, its bindings and its messages go; what is held of it goes with its verdict. */
export function removeQueue(db: SqliteConnection, name: string): void {
  purgeQueue(db, name);
  db.statement('DELETE FROM lovage_bindings WHERE queue = ?').run(name);
  db.statement('DELETE FROM lovage_queues WHERE name = ?').run(name);
}
