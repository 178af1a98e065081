// One holder: what one subscription holds, in a hash and under a lease of its own incarnation. Its turns go over a connection of their
// own, which the server tells of pushes to lists that were found empty.
//
// A turn whose answer is lost is sent again under the same number: the script does it once and answers the same batch. A server that comes
// back without turns that it had answered (its log or its replica lagged) holds messages for us that we settled: a new holder must take them.

import type { Redis } from 'ioredis';
import { after, BrokerConnectionError, isReplyError, logger, sleep, type Timer } from '../../util/index.ts';
import type { Delivery, Outgoing } from '../seam.ts';
import type { Holder, TurnResult } from '../store.ts';
import { isInPlace, withoutOver, withPredecessors } from '../succession.ts';
import { brokerError, isAway, type RedisContext } from './context.ts';
import { DeliveryReader } from './delivery.ts';
import { writeEnvelope } from './envelope.ts';
import { giveBack, incarnationOf } from './give-back.ts';
import type { HeldPlace } from './held.ts';
import type { Keeper } from './keeper.ts';
import { LaneOrders, type Lanes } from './lanes.ts';
import { createListener, type Listener } from './listener.ts';
import { OPEN } from './scripts.ts';
import type { HeldTag } from './settle.ts';
import { adoptedBatch, type Batch, Brought, freshBatch, joined, lostOf, statusOf, type TurnReply } from './turn-reply.ts';
import { feeds, type Request, type TurnCall, turnRequest } from './turn-request.ts';
import { createWaiting, type Waiting } from './waiting.ts';

const log = logger('broker', 'redis');
const NOTHING: TurnResult = { taken: [], lost: [] };
/** Seconds that giving back at the end may take; the lease gives back what is left. */
const CLOSE_SECONDS = 3;

/** What is asked of a connection that nobody else uses yet. */
type Asks = Pick<Redis, 'get'>;

const NONE: readonly Delivery[] = [];

const NOBODY = (): void => undefined;
/** Seconds after the first take: a worker that starts is ready before it opens what only an idle one needs. */
const REST_SECONDS = 0.02;
/** Broadcast copies lie nowhere. */
const NO_PLACE: HeldPlace = { turn: 0, place: 0, list: '' };

export interface HolderParts {
  readonly context: RedisContext;
  readonly keeper: Keeper;
  readonly node: string;
  readonly generation: number;
  /** What it will take from, as far as that is known yet. */
  readonly queues: readonly string[];
  /** The patterns to which a fanout queue listens. */
  readonly patterns: (queue: string) => readonly string[];
}

/** Opens a lease and its connections. */
export async function openHolder(parts: HolderParts): Promise<Holder> {
  const holder = new RedisHolder(parts);
  await holder.open();
  return holder;
}

class RedisHolder implements Holder {
  readonly closed: Promise<Error | undefined>;
  readonly #parts: HolderParts;
  readonly #context: RedisContext;
  readonly #incarnation: string;
  readonly #line: RedisContext['line'];
  readonly #listener: Listener;
  readonly #close: (error: Error | undefined) => void;
  readonly #warned = new Set<string>();
  readonly #reader: DeliveryReader;
  #turn = 0;
  /** The last turn, of those that do not wait, that the server said it had done. */
  #done = 0;
  /** Rotates with each batch, so that no queue is always first within its step. */
  #first = 0;
  #served = { at: Number.NEGATIVE_INFINITY, queues: '' };
  /** Pushes since the last turn was sent. */
  #wakes = 0;
  #wake: (brought: readonly Delivery[]) => void = NOBODY;
  #isIdle = false;
  #isWhole = false;
  #rest: Timer | undefined;
  /** Set as soon as there is a lease. */
  #opening: Promise<void> | undefined;
  readonly #waiting: Waiting;
  readonly #orders: LaneOrders;
  /** Did the last take leave nothing? */
  #drained = false;
  /** Lists of which the server will tell the listener. */
  readonly #told = new Set<string>();
  /** The list for which a take waits. */
  #waitingTake: string | undefined;
  /** What such a take brought when nobody was idle. */
  readonly #brought: Delivery[] = [];
  /** Subscriptions to broadcasts. */
  #hears = 0;
  #disposed = false;
  #ended: Error | undefined;

  constructor(parts: HolderParts) {
    const { context, node } = parts;
    this.#parts = parts;
    this.#context = context;
    this.#reader = new DeliveryReader(parts.generation);
    this.#incarnation = incarnationOf(node, context.unacked !== '');
    this.#orders = new LaneOrders(context, this.#incarnation);
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    this.#close = resolve;
    this.#listener = createListener(
      context,
      node,
      (keys) => this.#woken(keys),
      () => {
        this.#checkHearing();
        void this.#track();
      },
    );
    const prepare = (client: Asks): Promise<void> => this.#checkMemory(client);
    this.#line = context.open({ name: `lovage:turn:${node}`.replaceAll(/\s/g, '_'), prepare });
    this.#line.observe({ up: () => void this.#track() });
    this.#waiting = createWaiting(context, node, { prepare, opened: () => this.#look() });
  }

  /** Who only hears broadcasts holds nothing: no lease, and no connection for turns, before there is a first turn. */
  async open(): Promise<void> {
    const { queues, patterns } = this.#parts;
    if (queues.length === 0 || queues.some((queue) => patterns(queue).length === 0)) return this.#openLease();
    return this.#reach((signal) => this.#context.line.ready(signal));
  }

  #openLease(): Promise<void> {
    this.#opening ??= this.#reach(async (signal) => {
      const { keys, leaseMs } = this.#context;
      await this.#context.line.ready(signal);
      await this.#line.script(
        OPEN,
        [keys.holders, keys.lease(this.#incarnation), ...this.#parts.queues.map(keys.serves)],
        [this.#incarnation, 0, leaseMs],
        signal,
      );
      this.#keep(this.#parts.queues);
    });
    return this.#opening;
  }

  async #reach(open: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const { connectTimeout, target } = this.#context;
    const signal = AbortSignal.timeout(connectTimeout * 1000);
    try {
      await open(signal);
    } catch (error) {
      await this.#release();
      if (!signal.aborted) throw brokerError(error, 'Opening a lease failed');
      throw new BrokerConnectionError(`${target.url} did not answer within ${connectTimeout} s`, { cause: error });
    }
  }

  #keep(queues: readonly string[]): void {
    const { keys } = this.#context;
    const [lease, held] = [keys.lease(this.#incarnation), keys.held(this.#incarnation)];
    this.#parts.keeper.keep(this.#incarnation, { lease, held, serves: queues.map(keys.serves) }, () => this.#end(leaseEnded()));
  }

  /**
   * On each fresh connection, before anything else is sent over it: does the server know of all that it has done? Whatever it forgot it
   * forgot from one moment on, so the number of the last turn tells.
   */
  async #checkMemory(client: Asks): Promise<void> {
    // As far as it is now: a turn that another connection brings meanwhile is younger than the answer.
    const done = this.#done;
    if (done === 0) return;
    const lease = await client.get(this.#context.keys.lease(this.#incarnation));
    // That a lease is gone, the next turn says.
    if (lease === null || Number.parseInt(lease, 10) >= done) return;
    // Messages are given back over the broker's own line, which is about to come back too; without it they wait until the lease ends.
    await this.#context.line.ready(AbortSignal.timeout(CLOSE_SECONDS * 1000)).catch(() => undefined);
    this.#end(forgotten());
  }

  /** What only an idle worker needs is opened once the first take is done. These connections mend themselves; without them the poll finds what comes. */
  #connectRest(): void {
    if (this.#isWhole || this.#disposed) return;
    this.#isWhole = true;
    this.#rest = after(REST_SECONDS, () => {
      this.#waiting.connect();
      const signal = AbortSignal.timeout(this.#context.connectTimeout * 1000);
      this.#listener.line.ready(signal).catch((error: unknown) => log.debug('No wake-ups yet: {error}', { error }));
    });
  }

  /** Asks the server to tell the listener of changes to lists that this connection has read. */
  async #track(): Promise<void> {
    const { id } = this.#listener;
    if (id !== undefined && this.#line.isConnected) {
      try {
        await this.#line.call('CLIENT', ['TRACKING', 'OFF']);
        await this.#line.call('CLIENT', ['TRACKING', 'ON', 'REDIRECT', id, 'NOLOOP']);
      } catch (error) {
        log.debug('The server sends no wake-ups, polling instead: {error}', { error });
      }
    }
    // What came while nobody told us is found by another look.
    this.#woken(undefined);
  }

  #woken(keys: readonly string[] | undefined): void {
    if (keys === undefined) this.#told.clear();
    // Other keys are those of our own turns.
    else if (keys.filter((key) => this.#told.delete(key)).length === 0) return;
    this.#look();
  }

  #look(): void {
    this.#wakes++;
    this.#wake(NONE);
  }

  async turn(whole: TurnCall): Promise<TurnResult> {
    const call = { ...whole, settle: withoutOver(whole.settle) };
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#opening === undefined) await this.#openLease();
    const turn = ++this.#turn;
    this.#wakes = 0;
    const lanes = this.#orders.of(call.queues, this.#first);
    // Where the verdicts leave something to take there is nothing to wait for.
    const waits = this.#drained && call.take > 0 && !feeds(call, lanes);
    const request = waits ? undefined : this.#request(turn, call, lanes);
    const reply = await (request === undefined ? this.#settleAndWait(turn, call, lanes) : this.#evaluate(request));
    this.#connectRest();
    const batch = this.#batch(turn, reply, lanes, request?.pushed);
    if (batch === undefined) return { ...NOTHING, lost: whole.settle.map(({ delivery }) => delivery) };
    this.#done = turn;
    const isFresh = statusOf(reply) === 'ok';
    const drained = isFresh && batch.count < call.take;
    if (call.take > 0) this.#drained = drained;
    if (isFresh) for (const { answered } of call.writes) answered?.(reply[4] ?? []);
    const lost = withPredecessors(whole.settle, lostOf(call, reply));
    return new Brought(joined(this.#brought.splice(0), batch), lost, drained);
  }

  successor(delivery: Delivery, next: Outgoing): Delivery | undefined {
    const { unacked, expiries, transport } = this.#context;
    const { queue } = delivery;
    if (!isInPlace(next, delivery) || unacked !== '' || expiries.has(queue)) return undefined;
    const raw = writeEnvelope(next, transport.bodyEncoding);
    return this.#reader.read({ raw, isPlain: !raw.includes('\\') }, delivery.tag as HeldTag, queue);
  }

  /** The messages of an answer; undefined when the lease had ended. */
  #batch(turn: number, reply: TurnReply, lanes: Lanes, pushed?: readonly string[]): Batch | undefined {
    const status = statusOf(reply);
    if (status === 'lost') {
      this.#end(leaseEnded());
      return undefined;
    }
    for (const list of reply[3] ?? []) this.#warnOfType(String(list));
    const batch =
      status === 'ok'
        ? freshBatch(this.#reader, reply[2], { turn, lanes, pushed })
        : adoptedBatch(this.#reader, reply[2].map(String), lanes, this.#context.unacked !== '');
    if (batch.count > 0) this.#first++;
    return batch;
  }

  /** After the last take nothing was left: the verdicts, and the next take behind a wait, leave in one write. */
  #settleAndWait(turn: number, call: TurnCall, lanes: Lanes): Promise<TurnReply> {
    if (this.#waitingTake !== undefined || !this.#waiting.isOpen) return this.#evaluate(this.#request(turn, call, lanes));
    const request = this.#request(turn, { ...call, take: 0 }, lanes);
    return this.#waiting.together(() => {
      const answer = this.#orAgain(this.#waiting.turn(request), request);
      this.#layOut(call.queues, call.take);
      return answer;
    });
  }

  /** Sends a turn until it is answered, for as long as a lease may live. */
  async #evaluate({ script, keys, args }: Request): Promise<TurnReply> {
    const { leaseMs } = this.#context;
    const until = performance.now() + leaseMs;
    for (;;) {
      try {
        // No timer for each turn: a silent server is noticed by the line, and only waiting for a new line needs a limit.
        if (!this.#line.isConnected)
          await this.#line.ready(AbortSignal.timeout(Math.max(1, Math.ceil(until - performance.now()))));
        return (await this.#line.evaluate(script, keys, args)) as TurnReply;
      } catch (error) {
        const mendable = error instanceof BrokerConnectionError || isAway(error);
        if (mendable && performance.now() < until && !this.#disposed && this.#ended === undefined) {
          await sleep(0.02);
          continue;
        }
        const named = timedOut(error) ? noAnswer(this.#context) : brokerError(error, 'A turn of the holder failed');
        if (named instanceof BrokerConnectionError) this.#end(named);
        throw named;
      }
    }
  }

  #request(number: number, call: TurnCall, lanes: Lanes, waits = false): Request {
    return turnRequest(this.#context, { number, call, lanes, served: this.#servedKeys(lanes), waits });
  }

  /** Tells publishers a few times a lease that somebody here serves these queues. */
  #servedKeys({ queues, names }: Lanes): readonly string[] {
    const now = performance.now();
    if (this.#served.queues === names && now - this.#served.at < this.#context.leaseMs / 3) return [];
    if (this.#served.queues !== names) this.#keep(queues);
    this.#served = { at: now, queues: names };
    return queues.map(this.#context.keys.serves);
  }

  get takesIdly(): boolean {
    return this.#waitingTake !== undefined;
  }

  idle(queues: readonly string[], signal: AbortSignal, take: number): Promise<readonly Delivery[]> {
    if (this.#brought.length > 0) return Promise.resolve(this.#brought.splice(0));
    if (this.#wakes > 0 || this.#ended !== undefined || signal.aborted) return Promise.resolve(NONE);
    if (this.#waitingTake === undefined && this.#waiting.isOpen) this.#layOut(queues, take);
    const { promise, resolve } = Promise.withResolvers<readonly Delivery[]>();
    // What a take behind a wait brings comes with its answer, which an end of the wait calls forth.
    const stop = (): void => (this.#waitingTake === undefined ? this.#wake(NONE) : this.#waiting.stop());
    const poll = setTimeout(() => this.#wake(NONE), this.#context.transport.pollingInterval * 1000);
    signal.addEventListener('abort', stop, { once: true });
    void this.#askToBeTold(this.#orders.of(queues, this.#first).lists);
    this.#isIdle = true;
    // Not written where it is kept: a function that is assigned to a property at once is among the old from its birth.
    const wake = (brought: readonly Delivery[]): void => {
      this.#isIdle = false;
      this.#wake = NOBODY;
      clearTimeout(poll);
      signal.removeEventListener('abort', stop);
      resolve(brought);
    };
    this.#wake = wake;
    return promise;
  }

  /** Lets the server take for us as soon as something comes into the first list; of the others it tells us. */
  #layOut(queues: readonly string[], take: number): void {
    const lanes = this.#orders.of(queues, this.#first);
    const [list] = lanes.lists;
    if (list === undefined || take <= 0) return;
    const turn = ++this.#turn;
    const request = this.#request(turn, { settle: [], writes: [], queues, take }, lanes, true);
    this.#waitingTake = list;
    const answer = this.#orAgain(this.#waiting.take(list, request), request);
    const brought = (reply: TurnReply | undefined): void => {
      this.#waitingTake = undefined;
      const taken = (reply === undefined ? undefined : this.#batch(turn, reply, lanes))?.read() ?? NONE;
      this.#drained = taken.length < take;
      if (this.#isIdle) this.#wake(taken);
      else this.#brought.push(...taken);
    };
    answer.then(brought, (error: unknown) => {
      log.debug('A take that waited was not answered: {error}', { error });
      brought(undefined);
    });
  }

  /** An answer of the waiting connection; if it is lost, the same turn under the same number goes over the other one. */
  async #orAgain(answer: Promise<unknown>, request: Request): Promise<TurnReply> {
    try {
      return (await answer) as TurnReply;
    } catch (error) {
      if (isReplyError(error) && !isAway(error)) throw brokerError(error, 'A turn of the holder failed');
      return this.#evaluate(request);
    }
  }

  /** Asks the server to tell the listener of the next push to these lists, as far as it will not yet. */
  async #askToBeTold(lists: readonly string[]): Promise<void> {
    const unasked = lists.filter((list) => list !== this.#waitingTake && !this.#told.has(list));
    if (unasked.length === 0 || this.#listener.id === undefined || !this.#line.isConnected) return;
    for (const list of unasked) this.#told.add(list);
    try {
      // Reading is asking. What came since the last look is found by another one.
      if (Number(await this.#line.call('EXISTS', unasked)) > 0) this.#look();
    } catch (error) {
      log.debug('Wake-ups could not be asked for: {error}', { error });
    }
  }

  async fanout(queues: readonly string[], receive: (deliveries: readonly Delivery[]) => void): Promise<AsyncDisposable> {
    const patterns: string[] = [];
    for (const queue of queues) {
      for (const pattern of this.#parts.patterns(queue)) {
        patterns.push(pattern);
        await this.#listener.subscribe(pattern, (raw) => receive([this.#reader.read({ raw, isPlain: false }, NO_PLACE, queue)]));
      }
    }
    this.#hears += 1;
    return {
      [Symbol.asyncDispose]: async () => {
        this.#hears -= 1;
        for (const pattern of patterns) await this.#listener.unsubscribe(pattern);
      },
    };
  }

  /** What is said while nobody listens is lost: whoever reads broadcasts must know, so that it subscribes again and looks around. */
  #checkHearing(): void {
    if (this.#hears === 0 || this.#listener.line.isConnected) return;
    this.#end(new BrokerConnectionError(`The line to ${this.#context.target.url} on which broadcasts come was lost.`));
  }

  #warnOfType(list: string): void {
    if (this.#warned.has(list)) return;
    this.#warned.add(list);
    log.error("The key '{list}' is no list, so nothing can be taken from it. Another program uses the name of this queue.", {
      list,
    });
  }

  #end(error: Error): void {
    if (this.#ended !== undefined || this.#disposed) return;
    this.#ended = error;
    this.#parts.keeper.drop(this.#incarnation);
    this.#close(error);
    this.#wake(NONE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#rest?.cancel();
    this.#parts.keeper.drop(this.#incarnation);
    // A turn under way, on a server that is silent, is answered now; what it may have taken goes back when its lease ends.
    await this.#waiting[Symbol.asyncDispose]();
    await this.#line[Symbol.asyncDispose]();
    // After a lost line the rest is given back at the next chance: now, if the server answers.
    if (this.#opening !== undefined && this.#context.line.isConnected) {
      await giveBack(
        this.#context,
        this.#incarnation,
        { own: true, counted: this.#ended !== undefined },
        AbortSignal.timeout(CLOSE_SECONDS * 1000),
      ).catch((error: unknown) =>
        log.warn('What {incarnation} held is given back when its lease ends: {error}', { incarnation: this.#incarnation, error }),
      );
    }
    await this.#release();
    this.#close(undefined);
    this.#wake(NONE);
  }

  async #release(): Promise<void> {
    this.#disposed = true;
    this.#rest?.cancel();
    await this.#waiting[Symbol.asyncDispose]();
    await this.#line[Symbol.asyncDispose]();
    await this.#listener[Symbol.asyncDispose]();
  }
}

function timedOut(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function noAnswer({ target, transport }: RedisContext): BrokerConnectionError {
  return new BrokerConnectionError(`${target.url} gave no answer for the whole lease of ${transport.leaseSeconds} s`);
}

function forgotten(): BrokerConnectionError {
  return new BrokerConnectionError(
    'The server came back without its last moments: what this holder held and settled in them is given back to its queues and runs again. With `appendfsync always`, and without a fail-over, nothing is forgotten.',
  );
}

function leaseEnded(): BrokerConnectionError {
  return new BrokerConnectionError(
    'The lease of this holder has ended: its messages were given back to their queues. Was the process stopped, or the server emptied?',
  );
}
