// The embedded broker: queues in one SQLite file, shared by any number of processes of one machine, without a server.
import {
  BrokerFullError,
  openSqliteFile,
  PublishError,
  type PublishFailure,
  QueueNotFoundError,
  type SqliteConnection,
  type SqliteFile,
  sqliteLocation,
  systemClock,
} from '../util/index.ts';
import type { Broker, BrokerOptions, DeadLetterPolicy } from './seam.ts';
import { writeEnvelope } from './sqlite/envelope.ts';
import { openHolder } from './sqlite/holder.ts';
import { createKeeper, type Keeper } from './sqlite/keeper.ts';
import { type PushRow, pushRows } from './sqlite/messages.ts';
import {
  allBindings,
  bind,
  bindingsOf,
  countQueue,
  declareQueue,
  findQueue,
  peekQueue,
  purgeQueue,
  removeQueue,
} from './sqlite/queues.ts';
import { mend, OF_PROCESSES, SCHEMA, SOUND } from './sqlite/schema.ts';
import {
  listWaiting,
  pausedQueues,
  pauseQueues,
  removeWaiting,
  rescheduleWaiting,
  resumeQueues,
  wakeWaiting,
} from './sqlite/waiting.ts';
import type { QueueEntry, QueueStore } from './store.ts';
import { virtualBroker } from './virtual.ts';

/** Opens the broker of a `sqlite:` URL; the file is made at the first call. */
export function open(options: BrokerOptions): Broker {
  const { path, durability, lease } = sqliteLocation(options.url, options.appName, options.transportOptions);
  return virtualBroker(
    sqliteStore(
      openSqliteFile(path, { schema: SCHEMA, durability, ofProcesses: OF_PROCESSES, sound: SOUND, mend }),
      options.deadLetters,
      lease,
    ),
  );
}

function sqliteStore(file: SqliteFile, policy: DeadLetterPolicy, lease: number): QueueStore {
  let keeper: Keeper | undefined;
  const keeperOf = (): Keeper => (keeper ??= createKeeper(file, lease));
  return {
    name: 'sqlite',
    url: `sqlite://${file.path}`,
    database: file.database,
    features: {
      priorities: true,
      priorityOrder: 'highest-first',
      delay: true,
      fanout: true,
      autoDelete: true,
      eventExchange: 'topic',
      persistent: true,
    },
    declareQueues: (queues) =>
      file.write((db) => {
        for (const queue of queues) declareQueue(db, queue, systemClock.now());
      }),
    bind: (bindings) =>
      file.write((db) => {
        for (const binding of bindings) bind(db, binding);
      }),
    allBindings: () => file.read((db) => allBindings(db)),
    bindings: (exchange) => file.read((db) => bindingsOf(db, exchange)),
    push: (entries, signal) => push(file, entries, signal),
    jointPush: (entries) => ({ database: file.database, payload: jointPush(entries) }),
    hold: ({ node, generation }) => {
      return openHolder({ file, keeper: keeperOf(), policy, node, generation });
    },
    isWatched: (queue) => keeper?.isWatched(queue) ?? Promise.resolve(false),
    count: (queue) => file.read((db) => countQueue(db, queue)),
    peek: (queue, limit) => file.read((db) => peekQueue(db, queue, limit)),
    purge: (queue) => file.write((db) => purgeQueue(db, queue)),
    remove: (queue) => file.write((db) => removeQueue(db, queue)),
    waiting: {
      list: (queue, query = {}) => file.read((db) => listWaiting(db, queue, query)),
      remove: (queue, ids) => file.write((db) => removeWaiting(db, queue, ids)),
      reschedule: (queue, ids, at, state = 'all') =>
        file.write((db) => rescheduleWaiting(db, queue, { ids, state }, { at, now: systemClock.now() })),
      wake: (queue, isMeant) => wakeWaiting(file, queue, isMeant),
    },
    leaseRenewed: () => keeper?.renewed,
    watchLoop: (view) => keeperOf().watchLoop(view),
    pause: (queues) => file.write((db) => pauseQueues(db, queues)),
    resume: (queues) => file.write((db) => resumeQueues(db, queues)),
    paused: (queues) => file.read((db) => pausedQueues(db, queues)),
    check: async (signal) => {
      signal.throwIfAborted();
      await file.read((db) => db.statement('SELECT 1').get());
    },
    [Symbol.asyncDispose]: async () => {
      await keeper?.[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

async function push(file: SqliteFile, entries: readonly QueueEntry[], signal: AbortSignal): Promise<void> {
  const failures: PublishFailure[] = [];
  const rows: PushRow[] = [];
  const origins: number[] = [];
  for (const [index, entry] of entries.entries()) {
    try {
      rows.push({ ...entry, envelope: writeEnvelope(entry.message) });
      origins.push(index);
    } catch (error) {
      failures.push({
        index,
        stored: 'no',
        cause: error,
      });
    }
  }
  // Only a commit leaves a doubt when it fails: what broke off before it was rolled back.
  let isWhole = false;
  const work = (db: SqliteConnection): readonly number[] => {
    isWhole = false;
    const missing = pushRows(db, rows, systemClock.now(), () => undefined);
    isWhole = true;
    return missing;
  };
  const unknown = await file.write(work, { signal, prompt: true, grows: true }).catch((error: unknown) => {
    const stored = !isWhole || error === signal.reason || error instanceof BrokerFullError ? 'no' : 'unknown';
    const all = entries.map((_, index): PublishFailure => ({ index, stored, cause: error }));
    throw new PublishError(`${entries.length} messages were not stored.`, all, { cause: error });
  });
  for (const at of unknown) {
    const name = rows[at]?.queue ?? '';
    const cause = new QueueNotFoundError(`Queue "${name}" does not exist in ${file.path}. Declare it before publishing to it.`);
    failures.push({ index: origins[at] ?? at, stored: 'no', cause });
  }
  if (failures.length > 0) throw new PublishError(`${failures.length} messages were not stored.`, failures, { transient: false });
}

/** A push inside somebody's transaction. A queue that is gone by then is made anew: failing would undo what the others commit. */
function jointPush(entries: readonly QueueEntry[]): (db: Parameters<Parameters<SqliteFile['write']>[0]>[0]) => void {
  const rows = entries.map((entry) => ({ ...entry, envelope: writeEnvelope(entry.message) }));
  return (db) => {
    const now = systemClock.now();
    pushRows(db, rows, now, (name) => {
      declareQueue(db, { name, durable: true, arguments: {} }, now);
      return findQueue(db, name);
    });
  };
}
