// A turn of a holder as it is sent: the short script where it will do, which is nearly always, else the one that knows everything.
import type { Frames, RedisScript, RedisWrite } from '../../util/index.ts';
import { expireWrite, frames, jointArguments, leanArguments } from '../../util/index.ts';
import type { Holder } from '../store.ts';
import type { RedisContext } from './context.ts';
import type { Lanes } from './lanes.ts';
import { LEAN_TURN, TURN } from './scripts.ts';
import { leanSettlementArguments, settlementArguments } from './settle.ts';

export type TurnCall = Parameters<Holder['turn']>[0];

/** What is sent, and sent again. */
export interface Request {
  readonly script: RedisScript;
  readonly keys: Frames;
  readonly args: Frames;
  /** The texts that it pushes, where its answer may speak of them by number. */
  readonly pushed?: readonly string[];
}

export interface Turn {
  readonly number: number;
  readonly call: TurnCall;
  readonly lanes: Lanes;
  /** Keys that tell publishers that somebody serves these queues. */
  readonly served: readonly string[];
  /** The take lies behind a wait (see waiting.ts). */
  readonly waits: boolean;
}

export function turnRequest(context: RedisContext, turn: Turn): Request {
  const { unacked, expiries } = context;
  // Some queue of this process nearly always expires: that of replies to its control commands.
  const expires = expiries.size > 0 && turn.lanes.queues.some((queue) => expiries.has(queue));
  const isUsual = turn.served.length === 0 && unacked === '' && !expires;
  const lean = isUsual ? leanRequest(context, turn) : undefined;
  return lean ?? { script: TURN, keys: turn.lanes.keys, args: wholeArguments(context, turn) };
}

function leanRequest({ leaseMs }: RedisContext, { number, call, lanes, waits }: Turn): Request | undefined {
  const ends = leanSettlementArguments(call.settle);
  const lean = leanArguments(writesOf(call.writes));
  if (ends === undefined || lean === undefined) return undefined;
  const { length } = lanes.queues;
  const head = [number, leaseMs, length === 0 ? 0 : call.take, Math.max(1, length), waits ? 'wait' : ''];
  return {
    script: LEAN_TURN,
    keys: lanes.keys,
    args: frames([...head, ...lean.pushes, ...ends, ...lean.puts]),
    pushed: lean.pushed,
  };
}

function wholeArguments(context: RedisContext, { number, call, lanes, served, waits }: Turn): Frames {
  const { leaseMs, unacked, unackedIndex, expiries, keys } = context;
  const { queues } = lanes;
  const writes = [...writesOf(call.writes)];
  for (const queue of expiries.size === 0 ? [] : queues) {
    const ttl = expiries.get(queue);
    if (ttl !== undefined) writes.push(expireWrite(ttl, keys.lists(queue)));
  }
  return frames([
    number,
    leaseMs,
    queues.length === 0 ? 0 : call.take,
    Math.max(1, queues.length),
    unacked,
    unackedIndex,
    served.length,
    ...served,
    ...settlementArguments(call.settle, context),
    ...jointArguments(writes),
    waits ? 'wait' : '',
  ]);
}

function writesOf(writes: TurnCall['writes']): readonly RedisWrite[] {
  const [first] = writes;
  if (first !== undefined && writes.length === 1) return first.payload as readonly RedisWrite[];
  return writes.flatMap(({ payload }) => payload as readonly RedisWrite[]);
}

/** Is something pushed into one of the lists from which this turn takes? */
export function feeds({ writes }: TurnCall, { lists }: Lanes): boolean {
  return writes.length > 0 && writesOf(writes).some(([kind, , list]) => kind === 'push' && lists.includes(`${list}`));
}
