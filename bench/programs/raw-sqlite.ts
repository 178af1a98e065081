// The least that a queue can do on one SQLite file: batches claimed and deleted in one transaction.
import { DatabaseSync } from 'node:sqlite';
import { ARGUMENTS, counter, serve } from './protocol.ts';

function open(url: string): DatabaseSync {
  const database = new DatabaseSync(url.replace(/^sqlite:\/\//, ''));
  database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
    CREATE TABLE IF NOT EXISTS raw (id INTEGER PRIMARY KEY, held INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL)`);
  return database;
}

const BODY = JSON.stringify({ task: 'bench.noop', args: ARGUMENTS, padding: 'x'.repeat(220) });

await serve({
  enqueue: async (options, answer) => {
    const database = open(options.url);
    const insert = database.prepare('INSERT INTO raw (body) VALUES (?)');
    const start = performance.now();
    for (let done = 0; done < options.count * 1.25; done += 1000) {
      database.exec('BEGIN IMMEDIATE');
      for (let index = 0; index < 1000; index++) insert.run(BODY);
      database.exec('COMMIT');
    }
    answer({ perSecond: (options.count * 1.25) / ((performance.now() - start) / 1000) });
  },
  worker: async (options, answer) => {
    const database = open(options.url);
    const forget = database.prepare('DELETE FROM raw WHERE held = 1');
    const claim = database.prepare(
      'UPDATE raw SET held = 1 WHERE id IN (SELECT id FROM raw WHERE held = 0 ORDER BY id LIMIT 100) RETURNING body',
    );
    answer({ ready: true });
    const ran = counter(options.count, answer);
    for (let taken = 0; taken < 2 * options.count; ) {
      database.exec('BEGIN IMMEDIATE');
      forget.run();
      const rows = claim.all();
      database.exec('COMMIT');
      for (const row of rows) {
        JSON.parse(String(row.body));
        ran();
      }
      taken += rows.length;
      if (rows.length === 0) return;
    }
  },
});
