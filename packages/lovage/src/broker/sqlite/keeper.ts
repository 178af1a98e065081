// Life and death of the processes that hold messages. Each has a row, a lock that the system frees when it dies, and a beat.
// Every half second each looks at a few of the others: lock free → dead, beat and pulse unchanged for the lease → frozen (a blocked loop
// beats no more, but its pulse, kept by a thread, goes on); either way what it held
// is given back, counted, and its row goes. A frozen one that wakes up finds its row gone, and its late verdicts are lost.
import { existsSync, rmSync } from 'node:fs';
import {
  BrokerConnectionError,
  holdLock,
  isLockFree,
  logger,
  removeLock,
  type SqliteConnection,
  type SqliteFile,
  systemClock,
  uuid,
} from '../../util/index.ts';
import { promoteDue } from './messages.ts';
import { type Pulse, pulseOf, startPulse } from './pulse.ts';
import { removeQueue } from './queues.ts';
import { giveBack } from './settle.ts';
import { wakeOne } from './wake.ts';

const TICK_MS = 500;
/** Signs of life within a lease. */
const BEATS = 5;
/** Locks looked at per tick; with many processes each dead one is still seen at once by some of them. */
const MAX_LOOKS = 4;
/** After a pause between ticks of this part of a lease this process itself was frozen, and what it remembers of others is stale. */
const STALE = 0.3;

const log = logger('broker', 'sqlite');

export interface Keeper extends AsyncDisposable {
  /** Enters this process and a new holder of it; resolves to the holder's id. */
  enter(node: string): Promise<number>;
  /** Called with the error when a holder's row is found gone. */
  onLost(holder: number, lost: (error: Error) => void): void;
  leave(holder: number): Promise<void>;
  /** The thread of this process's pulse says so when the main loop stands still. */
  watchLoop(view: SharedArrayBuffer): void;
  /** Does another process consume this queue? */
  isWatched(queue: string): Promise<boolean>;
  /** Epoch milliseconds of the last beat; undefined while this process holds nothing. */
  readonly renewed: number | undefined;
}

interface Owner {
  readonly id: string;
  readonly lock: string;
  readonly address: string;
  readonly beat: number;
  /** Of its lock file. */
  readonly pulse: number;
}

export function lostHolder(path: string): BrokerConnectionError {
  return new BrokerConnectionError(
    `${path}: this process stood still for longer than its lease (or the file was replaced), so others took over what it held.`,
  );
}

/** `lease`: seconds after which a process whose beat stands still is taken for frozen. */
export function createKeeper(file: SqliteFile, lease: number): Keeper {
  const leaseMs = lease * 1000;
  const beatMs = leaseMs / BEATS;
  const beatTicks = Math.max(1, Math.round(beatMs / TICK_MS));
  const staleMs = Math.max(2 * TICK_MS, STALE * leaseMs);
  const own = uuid();
  const lockPath = `${file.path}-${own.slice(0, 8)}.lock`;
  const holders = new Map<number, (error: Error) => void>();
  const seen = new Map<string, { readonly beat: number; readonly pulse: number; readonly since: number }>();
  let lock: Disposable | undefined;
  let pulse: Pulse | undefined;
  /** For the thread, which starts with the first holder. */
  const views: SharedArrayBuffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  let ticks = 0;
  let lastTick = 0;
  let ticking: Promise<void> | undefined;
  let renewed: number | undefined;

  async function tick(): Promise<void> {
    const now = performance.now();
    if (now - lastTick > staleMs) seen.clear();
    lastTick = now;
    if (ticks++ % beatTicks === 0) await beat();
    await look(now);
    await sweep();
  }

  /** Taken anew when somebody deleted its file: without one we count as dead. */
  function takeLock(): void {
    if (lock !== undefined && existsSync(lockPath)) return;
    lock?.[Symbol.dispose]();
    lock = holdLock(lockPath);
  }

  async function beat(): Promise<void> {
    takeLock();
    const address = await file.address();
    const alive = await file.write((db) => {
      db.statement('UPDATE lovage_owners SET beat = beat + 1, address = ? WHERE id = ?').run(address, own);
      return new Set(
        db
          .statement('SELECT id FROM lovage_holders WHERE owner = ?')
          .all(own)
          .map((row) => Number(row.id)),
      );
    });
    renewed = Date.now();
    for (const [holder, lost] of holders) if (!alive.has(holder)) lost(lostHolder(file.path));
  }

  async function look(now: number): Promise<void> {
    const others = await file.read((db) => owners(db).filter((owner) => owner.id !== own));
    for (const id of seen.keys()) if (!others.some((owner) => owner.id === id)) seen.delete(id);
    for (const owner of others) {
      const before = seen.get(owner.id);
      if (before?.beat !== owner.beat || before.pulse !== owner.pulse) {
        seen.set(owner.id, { beat: owner.beat, pulse: owner.pulse, since: now });
      } else if (now - before.since > leaseMs) await bury(owner, 'stands still');
    }
    const start = Math.floor(Math.random() * others.length);
    for (let at = 0; at < Math.min(MAX_LOOKS, others.length); at++) {
      const owner = others[(start + at) % others.length];
      if (owner === undefined || !isLockFree(owner.lock)) continue;
      await bury(owner, 'is dead');
      removeLock(owner.lock);
      if (owner.address.endsWith('.sock')) rmSync(owner.address, { force: true });
    }
  }

  async function bury(owner: Owner, state: string): Promise<void> {
    seen.delete(owner.id);
    const count = await file.write((db) => takeOver(db, owner));
    if (count > 0) log.warn('Another process {state}; {count} messages that it held are given back.', { state, count });
  }

  /** What nobody does in passing: expired messages and queues, and due messages while all are busy or none is idle. */
  async function sweep(): Promise<void> {
    const now = systemClock.now();
    if (await file.read((db) => hasWork(db, now))) await file.write((db) => cleanUp(db, now));
  }

  function start(): void {
    if (timer !== undefined) return;
    lastTick = performance.now();
    timer = setInterval(() => {
      ticking ??= tick()
        .catch((error: unknown) => log.debug('A look at the other processes failed: {error}', { error }))
        .finally(() => {
          ticking = undefined;
        });
    }, TICK_MS).unref();
  }

  return {
    get renewed() {
      return holders.size === 0 ? undefined : renewed;
    },
    enter: async (node) => {
      const address = await file.address();
      await file.read(() => undefined); // the folder exists from here on
      takeLock();
      pulse ??= startPulse(lockPath, beatMs);
      for (const view of views.splice(0)) pulse.watchLoop(view);
      const id = await file.write((db) => {
        db.statement('INSERT OR IGNORE INTO lovage_owners (id, lock, address, beat) VALUES (?, ?, ?, 0)').run(
          own,
          lockPath,
          address,
        );
        const { lastInsertRowid } = db
          .statement("INSERT INTO lovage_holders (owner, node, queues, idle) VALUES (?, ?, '[]', 0)")
          .run(own, node);
        return Number(lastInsertRowid);
      });
      start();
      return id;
    },
    onLost: (holder, lost) => void holders.set(holder, lost),
    leave: async (holder) => {
      holders.delete(holder);
      await file.write((db) => dropHolder(db, holder, 0));
    },
    isWatched: (queue) => file.read((db) => watched(db, own).has(queue)),
    watchLoop: (view) => {
      if (pulse === undefined) views.push(view);
      else pulse.watchLoop(view);
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await ticking;
      await pulse?.[Symbol.asyncDispose]();
      if (lock === undefined) return;
      await file
        .write((db) => takeOver(db, { id: own, lock: lockPath, address: '', beat: -1, pulse: 0 }))
        .catch((error: unknown) => log.debug('Leaving the file failed: {error}', { error }));
      lock[Symbol.dispose]();
    },
  };
}

function owners(db: SqliteConnection): Owner[] {
  const rows = db.statement('SELECT id, lock, address, beat FROM lovage_owners').all();
  return rows.map((row) => ({
    id: String(row.id),
    lock: String(row.lock),
    address: String(row.address),
    beat: Number(row.beat),
    pulse: pulseOf(String(row.lock)),
  }));
}

/** Gives back all that an owner held, unless it has beaten meanwhile; resolves to how many messages. */
function takeOver(db: SqliteConnection, owner: Owner): number {
  const row = db.statement('SELECT beat FROM lovage_owners WHERE id = ?').get(owner.id);
  if (row === undefined) return 0;
  if (owner.beat >= 0 && (row.beat !== owner.beat || pulseOf(owner.lock) !== owner.pulse)) return 0;
  let count = 0;
  for (const holder of db.statement('SELECT id FROM lovage_holders WHERE owner = ?').all(owner.id)) {
    count += dropHolder(db, Number(holder.id), owner.beat >= 0 ? 1 : 0);
  }
  db.statement('DELETE FROM lovage_owners WHERE id = ?').run(owner.id);
  return count;
}

function dropHolder(db: SqliteConnection, holder: number, counts: 0 | 1): number {
  const row = db.statement('SELECT queues FROM lovage_holders WHERE id = ?').get(holder);
  if (row === undefined) return 0;
  const count = Number(db.statement('SELECT count(*) AS n FROM lovage_held WHERE holder = ?').get(holder)?.n);
  giveBack(db, holder, counts);
  db.statement('DELETE FROM lovage_holders WHERE id = ?').run(holder);
  for (const queue of JSON.parse(String(row.queues)) as readonly string[]) {
    const isOwn = db.statement('SELECT 1 FROM lovage_queues WHERE name = ? AND auto_delete = 1').get(queue) !== undefined;
    if (isOwn && !watched(db).has(queue)) removeQueue(db, queue);
    else if (count > 0) wakeOne(db, queue);
  }
  return count;
}

/** Names of the queues that somebody consumes, other than the owner `but`. */
function watched(db: SqliteConnection, but = ''): Set<string> {
  const rows = db.statement('SELECT queues FROM lovage_holders WHERE owner <> ?').all(but);
  return new Set(rows.flatMap((row) => JSON.parse(String(row.queues)) as readonly string[]));
}

function hasWork(db: SqliteConnection, now: number): boolean {
  const row = db
    .statement(
      `SELECT EXISTS (SELECT 1 FROM lovage_messages WHERE expires <= ?1 AND id NOT IN (SELECT id FROM lovage_held))
         OR EXISTS (SELECT 1 FROM lovage_parked WHERE due <= ?1)
         OR EXISTS (SELECT 1 FROM lovage_queues WHERE expires IS NOT NULL AND used + expires / 2 <= ?1) AS work`,
    )
    .get(now);
  return row?.work === 1;
}

function cleanUp(db: SqliteConnection, now: number): void {
  promoteDue(db, now);
  db.statement(
    'DELETE FROM lovage_ready WHERE (queue, rank, id) IN (SELECT queue, rank, id FROM lovage_messages WHERE expires <= ?)',
  ).run(now);
  db.statement('DELETE FROM lovage_parked WHERE id IN (SELECT id FROM lovage_messages WHERE expires <= ?)').run(now);
  // What is held has reached its worker in time; it goes with its verdict.
  db.statement('DELETE FROM lovage_messages WHERE expires <= ? AND id NOT IN (SELECT id FROM lovage_held)').run(now);
  const inUse = watched(db);
  const aging = db.statement('SELECT name, used + expires AS gone FROM lovage_queues WHERE used + expires / 2 <= ?').all(now);
  for (const row of aging) {
    const name = String(row.name);
    if (inUse.has(name)) db.statement('UPDATE lovage_queues SET used = ? WHERE name = ?').run(now, name);
    else if (Number(row.gone) <= now) removeQueue(db, name);
  }
}
