// Waking idle holders. A holder notes that it is idle in the transaction in which it found nothing, and whoever adds a message picks
// one idle holder in the transaction that adds it: so no wake-up is lost while both live. Runs inside a piece of work on the file.
import type { SqliteConnection } from '../../util/index.ts';

/** The channel on which one holder is woken. */
export function holderChannel(holder: number): string {
  return `holder:${holder}`;
}

/** Wakes the holder that has been idle longest among those that watch this queue. */
export function wakeOne(db: SqliteConnection, queue: string): void {
  const idle = db
    .statement(
      `SELECT h.id, h.queues, o.address FROM lovage_holders AS h JOIN lovage_owners AS o ON o.id = h.owner
       WHERE h.idle > 0 ORDER BY h.idle`,
    )
    .all();
  for (const row of idle) {
    if (!(JSON.parse(String(row.queues)) as readonly string[]).includes(queue)) continue;
    const holder = Number(row.id);
    db.statement('UPDATE lovage_holders SET idle = 0 WHERE id = ?').run(holder);
    db.post(String(row.address), holderChannel(holder));
    return;
  }
}

/** Wakes another holder when more waits than the last take took. */
export function wakeForRest(db: SqliteConnection, queues: readonly string[]): void {
  for (const queue of queues) {
    const more = db
      .statement('SELECT 1 FROM lovage_ready WHERE queue = (SELECT id FROM lovage_queues WHERE name = ?) LIMIT 1')
      .get(queue);
    if (more !== undefined) wakeOne(db, queue);
  }
}
