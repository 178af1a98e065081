// What one subscription holds in the file: a row, and one transaction per turn that settles, applies joint writes and takes.
import {
  after,
  BrokerConnectionError,
  logger,
  type SqliteConnection,
  type SqliteFile,
  systemClock,
  type Timer,
} from '../../util/index.ts';
import type { DeadLetterPolicy, Delivery } from '../seam.ts';
import type { Holder, TurnResult } from '../store.ts';
import { isInPlace } from '../succession.ts';
import { DeliveryReader } from './delivery.ts';
import { writeEnvelope } from './envelope.ts';
import { type Keeper, lostHolder } from './keeper.ts';
import { promoteDue } from './messages.ts';
import { settle } from './settle.ts';
import { take } from './take.ts';
import { holderChannel, wakeForRest } from './wake.ts';

const log = logger('broker', 'sqlite');

export interface SqliteHolderOptions {
  readonly file: SqliteFile;
  readonly keeper: Keeper;
  readonly policy: DeadLetterPolicy;
  readonly node: string;
  readonly generation: number;
}

interface TurnOutcome {
  /** Undefined when the holder's row is gone. */
  readonly taken: readonly Delivery[] | undefined;
  readonly nextDue: number | undefined;
}

type Turn = Parameters<Holder['turn']>[0];

export async function openHolder({ file, keeper, policy, node, generation }: SqliteHolderOptions): Promise<Holder> {
  const id = await keeper.enter(node);
  const { promise: closed, resolve: close } = Promise.withResolvers<Error | undefined>();
  let woken = false;
  let wake: (() => void) | undefined;
  let nextDue: number | undefined;
  let knownQueues = '[]';
  let isIdle = false;
  let rotation = 0;
  keeper.onLost(id, close);
  const listening = file.onPost(holderChannel(id), () => {
    woken = true;
    wake?.();
  });

  const reader = new DeliveryReader();

  function work(db: SqliteConnection, call: Turn): TurnOutcome {
    if (db.statement('SELECT 1 FROM lovage_holders WHERE id = ?').get(id) === undefined)
      return { taken: undefined, nextDue: undefined };
    const now = systemClock.now();
    if (call.settle.length > 0) settle(db, id, call.settle, policy);
    for (const write of call.writes) jointWork(write.payload)(db);
    const queues = call.queues.length === 0 ? '[]' : JSON.stringify(call.queues);
    if (queues !== knownQueues) db.statement('UPDATE lovage_holders SET queues = ? WHERE id = ?').run(queues, id);
    if (call.take === 0) {
      if (isIdle) db.statement('UPDATE lovage_holders SET idle = 0 WHERE id = ?').run(id);
      return { taken: [], nextDue };
    }
    const due = promoteDue(db, now);
    const taken = take(db, { holder: id, generation, queues: call.queues, max: call.take, now, rotation, reader });
    if (taken.length === 0) db.statement('UPDATE lovage_holders SET idle = ? WHERE id = ?').run(now, id);
    else if (isIdle) db.statement('UPDATE lovage_holders SET idle = 0 WHERE id = ?').run(id);
    if (taken.length === call.take) wakeForRest(db, call.queues);
    return { taken, nextDue: due };
  }

  async function turn(call: Turn): Promise<TurnResult> {
    woken = false;
    const outcome = await file.write((db) => work(db, call), { prompt: true });
    if (outcome.taken === undefined) {
      close(lostHolder(file.path));
      return { taken: [], lost: call.settle.map((settlement) => settlement.delivery) };
    }
    knownQueues = call.queues.length === 0 ? '[]' : JSON.stringify(call.queues);
    isIdle = call.take > 0 && outcome.taken.length === 0;
    nextDue = outcome.nextDue;
    rotation++;
    if (policy.mode !== 'lovage') tellDropped(call);
    return { taken: outcome.taken, lost: [] };
  }

  function tellDropped(call: Turn): void {
    for (const settlement of call.settle) {
      if (settlement.verdict !== 'deadLetter') continue;
      const { queue, headers } = settlement.delivery;
      log.warn('Message {id} of queue {queue} is dropped: {reason} (dead letters are {mode}).', {
        id: headers.id,
        queue,
        reason: settlement.reason,
        mode: policy.mode,
      });
    }
  }

  function idle(signal: AbortSignal): Promise<readonly Delivery[]> {
    if (woken || signal.aborted) return Promise.resolve([]);
    return new Promise((resolve) => {
      let alarm: Timer | undefined;
      const done = (): void => {
        wake = undefined;
        alarm?.cancel();
        signal.removeEventListener('abort', done);
        resolve([]);
      };
      wake = done;
      signal.addEventListener('abort', done, { once: true });
      if (nextDue !== undefined) alarm = after(nextDue - systemClock.now(), done);
    });
  }

  return {
    closed,
    turn,
    idle: (_queues, signal) => idle(signal),
    successor: (delivery, next) => {
      if (!isInPlace(next, delivery)) return undefined;
      const { queue, tag } = delivery;
      return reader.read(writeEnvelope(next), next.body, { queue, redelivered: false, attempts: 1, generation, tag });
    },
    [Symbol.asyncDispose]: async () => {
      listening[Symbol.dispose]();
      close(undefined);
      await keeper.leave(id);
    },
  };
}

/** A joint write of this database is a piece of work for its file. */
function jointWork(payload: unknown): (db: SqliteConnection) => void {
  if (typeof payload !== 'function')
    throw new BrokerConnectionError('A joint write for SQLite must be a function of the connection.');
  return payload as (db: SqliteConnection) => void;
}
