// The tables of the embedded broker. A message is written once; taking and giving it back moves small rows only, so that a body of
// 10 MB is not copied by every move. AUTOINCREMENT: a drained queue must not use an id twice while somebody still holds the old one.

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
CREATE TABLE IF NOT EXISTS lovage_owners (
  id TEXT PRIMARY KEY, lock TEXT NOT NULL, address TEXT NOT NULL, beat INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lovage_holders (
  id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, node TEXT NOT NULL, queues TEXT NOT NULL, idle REAL NOT NULL);
`;
