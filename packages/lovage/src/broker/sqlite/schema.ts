// The tables of the embedded broker. A message is written once; taking and giving it back moves small rows only, so that a body of
// 10 MB is not copied by every move. AUTOINCREMENT: a drained queue must not use an id twice while somebody still holds the old one.

import type { DatabaseSync } from 'node:sqlite';

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS lovage_queues (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, declaration TEXT NOT NULL,
  message_ttl REAL, expires REAL, max_length INTEGER, auto_delete INTEGER NOT NULL, used REAL NOT NULL);
CREATE TABLE IF NOT EXISTS lovage_bindings (
  exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue TEXT NOT NULL, type TEXT NOT NULL,
  PRIMARY KEY (exchange, routing_key, queue)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, rank INTEGER NOT NULL,
  expires REAL, envelope TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS lovage_messages_expires ON lovage_messages (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS lovage_ready (
  queue INTEGER NOT NULL, rank INTEGER NOT NULL, id INTEGER NOT NULL, attempts INTEGER NOT NULL, redelivered INTEGER NOT NULL,
  PRIMARY KEY (queue, rank, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_held (
  holder INTEGER NOT NULL, id INTEGER NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (holder, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_parked (
  due REAL NOT NULL, id INTEGER NOT NULL, queue INTEGER NOT NULL, rank INTEGER NOT NULL, attempts INTEGER NOT NULL,
  PRIMARY KEY (due, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_paused (queue TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_owners (
  id TEXT PRIMARY KEY, lock TEXT NOT NULL, address TEXT NOT NULL, beat INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_holders (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, node TEXT NOT NULL, queues TEXT NOT NULL, idle REAL NOT NULL);
`;

/** Tables that speak of processes. */
export const OF_PROCESSES: readonly string[] = ['lovage_owners', 'lovage_holders'];

/** Each message has one place, and what waits waits in a queue. A page that took the place of another is seen by this alone. */
export const SOUND = `
SELECT (SELECT count(*) FROM lovage_messages)
    = (SELECT count(*) FROM lovage_ready) + (SELECT count(*) FROM lovage_held) + (SELECT count(*) FROM lovage_parked)
  AND NOT EXISTS (SELECT 1 FROM lovage_ready WHERE queue NOT IN (SELECT id FROM lovage_queues)) AS sound`;

/**
 * Mends what was saved from a damaged file, table by table and so not always in step. Whoever held a message holds a file that is gone:
 * it goes back, counted. A message that no table places waits again; a place without its message leads nowhere; a queue without its row
 * gets one, so that what waits in it can be seen.
 */
export function mend(database: DatabaseSync): void {
  database.exec(`
    UPDATE lovage_messages SET queue = 0 WHERE typeof(queue) <> 'integer';
    UPDATE lovage_messages SET rank = 9 WHERE typeof(rank) <> 'integer';
    DELETE FROM lovage_parked WHERE id NOT IN (SELECT id FROM lovage_messages)
      OR EXISTS (SELECT 1 FROM lovage_parked AS p WHERE p.id = lovage_parked.id AND p.due < lovage_parked.due);
    CREATE TEMP TABLE lovage_saved AS SELECT id, max(started) AS started, max(again) AS again FROM (
      SELECT id, CAST(attempts AS INTEGER) AS started, CAST(redelivered AS INTEGER) AS again FROM lovage_ready
      UNION ALL SELECT id, CAST(attempts AS INTEGER) + 1, 1 FROM lovage_held) GROUP BY id;
    DELETE FROM lovage_held;
    DELETE FROM lovage_ready;
    INSERT INTO lovage_ready (queue, rank, id, attempts, redelivered)
      SELECT m.queue, m.rank, m.id, coalesce(s.started, 0), coalesce(s.again, 1)
      FROM lovage_messages AS m LEFT JOIN lovage_saved AS s ON s.id = m.id WHERE m.id NOT IN (SELECT id FROM lovage_parked);
    DROP TABLE lovage_saved;
    INSERT OR IGNORE INTO lovage_queues (id, name, declaration, auto_delete, used)
      SELECT DISTINCT queue, 'lovage.saved.' || queue, '[true,false,false,{}]', 0, 0 FROM lovage_messages
      WHERE queue NOT IN (SELECT id FROM lovage_queues);`);
}
