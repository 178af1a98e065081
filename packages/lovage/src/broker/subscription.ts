// A subscription over a Holder: prefetch accounting, and a settle that doubles as the next take. virtual.ts makes them.
//
// One turn at a time:  collect verdicts of this turn of the loop → Holder.turn(settle, take the free slots) → answer both sides.
// A turn runs when there are verdicts, or when somebody asks for a batch, slots are free and the last look was not in vain.
// A look in vain → Holder.idle; when that resolves, look again.
import { Bag, BrokerConnectionError, BrokerError, BrokerFullError, logger } from '../util/index.ts';
import type { Delivery, JointWrite, Outgoing, Settlement, Subscription } from './seam.ts';
import type { Holder, TurnResult } from './store.ts';

/** Most that one turn takes, however many slots are free: keeps transactions and replies short. */
const MAX_TAKE = 1000;
/** Fewer than this are taken in one go. */
const MIN_HALVED = 16;
/** Wait before another try when the store has no room to note what was taken (ms). */
const FULL_RETRY_MS = 1000;
/** Giving back at the end may not hang on a dead line (ms); the lease gives back what this cannot. */
const DISPOSE_MS = 5000;
/** Of these, how long a turn under way may take. */
const TURN_PATIENCE_MS = 3000;

/** Most messages that follow one another in one place between two turns: what they follow is not settled before, and they would run again. */
const MAX_DEPTH = 16;

/** Most broadcasts that wait for a reader who does not come; the server sends them without being asked. */
const MAX_WAITING = 100_000;

const log = logger('broker');
const NONE: readonly Delivery[] = [];
const END: IteratorResult<readonly Delivery[], undefined> = { done: true, value: undefined };

interface SettleCall {
  readonly settlements: readonly Settlement[];
  readonly writes: readonly JointWrite[];
  readonly lost: readonly Delivery[];
  readonly resolve: (lost: readonly Delivery[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What was sent to the store, and its answer. */
interface Turn {
  readonly calls: readonly SettleCall[];
  readonly loose: readonly Settlement[];
  readonly take: number;
  readonly reply: Promise<TurnResult>;
}

interface Demand {
  readonly resolve: (result: IteratorResult<readonly Delivery[], undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export interface VirtualSubscriptionOptions {
  readonly holder: Holder;
  readonly generation: number;
  readonly prefetch: number;
  readonly noAck: boolean;
  /** Is this queue fed by `Holder.fanout`? */
  readonly isFanout: (queue: string) => boolean;
  /** Called when a queue is no longer watched by this subscription. */
  readonly released: (queue: string) => Promise<void>;
  /** Called with the error when the line is lost, and without one when all is closed. */
  readonly ended: (error: Error | undefined) => void;
}

export class VirtualSubscription implements Subscription {
  readonly #options: VirtualSubscriptionOptions;
  readonly #holder: Holder;
  readonly #held = new Bag<Delivery>();
  readonly #fanouts = new Map<string, AsyncDisposable>();
  #queues: readonly string[] = [];
  #limit: number;
  #ready: Delivery[] = [];
  #calls: SettleCall[] = [];
  /** Acks and give-backs that nobody waits for; they ride with the next turn. */
  #loose: Settlement[] = [];
  #demand: Demand | undefined;
  #scheduled = false;
  #turning: Promise<void> | undefined;
  /** Aborts the wait of `Holder.idle`; defined while waiting. */
  #idle: AbortController | undefined;
  /** The last look took all that there was. */
  #drained = false;
  #cancelled = false;
  #disposing: Promise<void> | undefined;
  /** Everything was given back. */
  #closed = false;
  #overflowed = false;
  /** How many have followed one another since the last turn was sent. */
  #depth = 0;
  #error: Error | undefined;
  #errorTold = false;
  lastHeard: number = performance.now();

  constructor(options: VirtualSubscriptionOptions) {
    this.#options = options;
    this.#holder = options.holder;
    this.#limit = options.prefetch;
    void options.holder.closed.then((error) => {
      if (error !== undefined) this.#fail(error);
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly Delivery[], undefined> {
    return { next: () => this.#next() };
  }

  #next(): Promise<IteratorResult<readonly Delivery[], undefined>> {
    if (this.#ready.length > 0) return Promise.resolve({ done: false, value: this.#handOut() });
    if (this.#error !== undefined && !this.#errorTold) {
      this.#errorTold = true;
      return Promise.reject(this.#error);
    }
    if (this.#error !== undefined || this.#cancelled) return Promise.resolve(END);
    if (this.#demand !== undefined)
      return Promise.reject(new BrokerError('Two loops iterate over one subscription. Use one subscription each.'));
    return new Promise((resolve, reject) => {
      this.#demand = { resolve, reject };
      this.#schedule();
    });
  }

  #handOut(): readonly Delivery[] {
    const batch = this.#ready;
    this.#ready = [];
    this.#overflowed = false;
    return batch;
  }

  /** Gives what lies ready to whoever waits for it. */
  #deliver(deliveries: readonly Delivery[]): void {
    this.lastHeard = performance.now();
    this.#offer(deliveries);
  }

  #offer(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return;
    // Only broadcasts come without demand, in small numbers each: appending keeps a flood from being copied again and again.
    if (this.#ready.length < MAX_WAITING) this.#ready.push(...deliveries);
    else this.#dropBroadcasts();
    const demand = this.#demand;
    if (demand === undefined) return;
    this.#demand = undefined;
    demand.resolve({ done: false, value: this.#handOut() });
  }

  #dropBroadcasts(): void {
    if (this.#overflowed) return;
    this.#overflowed = true;
    log.warn('{count} broadcasts wait and nobody reads them; further ones are dropped until somebody does.', {
      count: MAX_WAITING,
    });
  }

  /** Does it watch this queue? */
  watches(queue: string): boolean {
    return this.#error === undefined && (this.#queues.includes(queue) || this.#fanouts.has(queue));
  }

  settle(settlements: readonly Settlement[], writes: readonly JointWrite[] = []): Promise<readonly Delivery[]> {
    const mine: Settlement[] = [];
    const lost: Delivery[] = [];
    const isOver = this.#closed || this.#error !== undefined;
    for (const settlement of settlements) {
      const { delivery } = settlement;
      if (isOver || delivery.generation !== this.#options.generation) lost.push(delivery);
      // A second verdict, and one on a broadcast copy, has nothing to say.
      else if (this.#held.delete(delivery)) mine.push(settlement);
    }
    if (mine.length === 0 && (writes.length === 0 || lost.length > 0)) return Promise.resolve(lost);
    if (isOver) return Promise.reject(this.#error ?? new BrokerConnectionError('The subscription was closed by this program.'));
    return new Promise((resolve, reject) => {
      this.#calls.push({ settlements: mine, writes, lost, resolve, reject });
      this.#schedule();
    });
  }

  successor(delivery: Delivery, next: Outgoing): Delivery | undefined {
    const isOver = this.#cancelled || this.#closed || this.#depth >= MAX_DEPTH;
    if (isOver || !this.#held.has(delivery) || !this.#queues.includes(delivery.queue)) return undefined;
    return this.#holder.successor?.(delivery, next);
  }

  handOut(successors: readonly Delivery[]): void {
    if (this.#error !== undefined || this.#closed) return;
    this.#depth++;
    for (const successor of successors) this.#held.add(successor);
    if (this.#cancelled) this.#giveBack(successors);
    else this.#offer(successors);
  }

  async prefetch(limit: number): Promise<void> {
    this.#limit = limit;
    this.#schedule();
    // What a turn under way brings was asked for under the old limit; whoever iterates gets it before this resolves.
    await this.#turning;
    const unseen = this.#options.noAck ? [] : this.#ready.splice(Math.max(0, this.#limit - this.#held.size + this.#ready.length));
    if (unseen.length > 0) this.#giveBack(unseen);
  }

  async add(queue: string): Promise<void> {
    if (this.#queues.includes(queue) || this.#fanouts.has(queue)) return;
    if (this.#holder.fanout !== undefined && this.#options.isFanout(queue)) {
      this.#fanouts.set(queue, await this.#holder.fanout([queue], (deliveries) => this.#deliver(deliveries)));
      return;
    }
    this.#queues = [...this.#queues, queue];
    this.#drained = false;
    this.#idle?.abort();
    this.#schedule();
  }

  async cancel(queue?: string): Promise<void> {
    if (queue === undefined) {
      this.#cancelled = true;
      this.#demand?.resolve(END);
      this.#demand = undefined;
    }
    const gone = queue === undefined ? [...this.#queues, ...this.#fanouts.keys()] : [queue];
    this.#queues = this.#queues.filter((name) => !gone.includes(name));
    this.#idle?.abort();
    // What a turn under way brings is still handed out or given back; after it nothing more comes.
    await this.#turning;
    if (queue === undefined && this.#ready.length > 0) this.#giveBack(this.#handOut());
    for (const name of gone) {
      await this.#fanouts.get(name)?.[Symbol.asyncDispose]();
      this.#fanouts.delete(name);
      if (this.#error === undefined) await this.#options.released(name);
    }
  }

  #giveBack(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      if (this.#held.delete(delivery)) this.#loose.push({ verdict: 'requeue', delivery, counted: false });
    }
    this.#schedule();
  }

  /** Runs behind the promise jobs and callbacks of this turn of the loop, so that their verdicts go in one turn of the holder. */
  #schedule(): void {
    if (this.#scheduled || this.#turning !== undefined || this.#error !== undefined || this.#disposing !== undefined) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    if (this.#turning !== undefined || this.#error !== undefined || this.#disposing !== undefined) return;
    const free = this.#freeSlots();
    const speaks = this.#calls.length > 0 || this.#loose.length > 0;
    if (!speaks && (free === 0 || this.#idle !== undefined)) return;
    if (!speaks && this.#drained) {
      this.#wait();
      return;
    }
    const take = this.#idle !== undefined && this.#holder.takesIdly === true ? 0 : free;
    this.#turning = this.#turn(take).finally(() => {
      this.#turning = undefined;
      this.#schedule();
    });
  };

  #freeSlots(): number {
    return this.#demand === undefined ? 0 : this.#room();
  }

  /** Of many, half at a time: so that one half is fetched while the other is worked on. */
  get #batch(): number {
    return this.#limit < MIN_HALVED ? this.#limit : Math.ceil(this.#limit / 2);
  }

  /** How many more may be held, beside those that have come and are not counted yet. */
  #room(coming = 0): number {
    if (this.#cancelled || this.#disposing !== undefined || this.#error !== undefined || this.#queues.length === 0) return 0;
    return Math.max(0, Math.min(MAX_TAKE, this.#batch, this.#limit - this.#held.size - coming));
  }

  /** One turn, and those sent ahead while it was handed out. */
  async #turn(take: number): Promise<void> {
    for (let turn: Turn | undefined = this.#send(take); turn !== undefined; ) turn = await this.#answered(turn);
  }

  #send(take: number): Turn {
    const calls = this.#calls;
    const loose = this.#loose;
    this.#calls = [];
    this.#loose = [];
    this.#depth = 0;
    const reply = this.#holder.turn({
      settle: joined(calls, loose),
      writes: calls.length === 1 && calls[0] !== undefined ? calls[0].writes : calls.flatMap((call) => call.writes),
      queues: this.#queues,
      take,
    });
    return { calls, loose, take, reply };
  }

  /** Resolves to the next turn where one was sent. */
  async #answered({ calls, loose, take, reply }: Turn): Promise<Turn | undefined> {
    try {
      return this.#turned(calls, await reply, take);
    } catch (error) {
      await this.#turnFailed(calls, loose, error);
      return undefined;
    }
  }

  #turned(calls: readonly SettleCall[], result: TurnResult, take: number): Turn | undefined {
    for (const call of calls) call.resolve(lostOf(call, result.lost));
    const { count = result.taken.length } = result;
    if (take > 0) this.#drained = result.drained === true;
    // There is more where a full batch came from: the store works on the next while this one is read and worked on here.
    const room = count > 0 && count === take ? this.#room(count) : 0;
    const ahead = room > 0 ? this.#send(room) : undefined;
    this.#deliver(this.#keep(result.taken));
    if (take > 0 && count === 0) this.#wait();
    return ahead;
  }

  /** What was taken is held; what is more than is wanted by now goes back. */
  #keep(taken: readonly Delivery[]): readonly Delivery[] {
    if (this.#options.noAck) for (const delivery of taken) this.#loose.push({ verdict: 'ack', delivery });
    else for (const delivery of taken) this.#held.add(delivery);
    const most = this.#cancelled ? 0 : Math.max(0, taken.length - Math.max(0, this.#held.size - this.#limit));
    if (most === taken.length) return taken;
    this.#giveBack(taken.slice(most));
    return taken.slice(0, most);
  }

  /** Nothing was there: sleeps until the store says that there may be something. */
  #wait(): void {
    if (this.#idle !== undefined || this.#cancelled) return;
    const idle = new AbortController();
    this.#idle = idle;
    const take = this.#freeSlots();
    this.#drained = false;
    const wake = (brought: readonly Delivery[]): void => {
      if (this.#idle === idle) this.#idle = undefined;
      this.lastHeard = performance.now();
      if (brought.length > 0) this.#woken(brought, brought.length < take);
      this.#schedule();
    };
    this.#holder.idle(this.#queues, idle.signal, take).then(wake, () => wake(NONE));
  }

  /** The wake-up came with messages. At the end of this subscription the holder gives them back with the rest. */
  #woken(brought: readonly Delivery[], drained: boolean): void {
    if (this.#error !== undefined || this.#closed) return;
    this.#drained = drained;
    this.#deliver(this.#keep(brought));
  }

  async #turnFailed(calls: readonly SettleCall[], loose: readonly Settlement[], error: unknown): Promise<void> {
    const isFull = error instanceof BrokerFullError;
    if (error instanceof BrokerConnectionError || (calls.length === 0 && !isFull)) {
      // Whether the store did what this turn said is unknown.
      for (const call of calls) call.reject(error);
      this.#fail(error);
      return;
    }
    this.#loose = [...loose, ...this.#loose];
    if (calls.length > 1 && !isFull) {
      // Somebody's joint write is bad: nobody else's verdicts shall fail with it.
      for (const call of calls) await this.#turnAlone(call);
      return;
    }
    for (const call of calls) this.#undo(call, error);
    if (isFull) this.#pause();
  }

  async #turnAlone(call: SettleCall): Promise<void> {
    try {
      const result = await this.#holder.turn({ settle: call.settlements, writes: call.writes, queues: this.#queues, take: 0 });
      this.#turned([call], result, 0);
    } catch (error) {
      await this.#turnFailed([call], [], error);
    }
  }

  /** Nothing was done: whoever settled holds its deliveries as before and may try again. */
  #undo(call: SettleCall, error: unknown): void {
    for (const { delivery } of call.settlements) this.#held.add(delivery);
    call.reject(error);
  }

  #pause(): void {
    const pause = new AbortController();
    this.#idle ??= pause;
    setTimeout(() => {
      if (this.#idle === pause) this.#idle = undefined;
      this.#schedule();
    }, FULL_RETRY_MS).unref();
  }

  /** The line is lost: everybody who waits is told, and what was held is somebody else's. */
  #fail(cause: unknown): void {
    if (this.#error !== undefined || this.#disposing !== undefined) return;
    const error =
      cause instanceof BrokerConnectionError
        ? cause
        : new BrokerConnectionError(`The subscription ended: ${text(cause)}`, { cause });
    this.#error = error;
    // Never sent, so nothing was done for these.
    for (const call of this.#calls) {
      if (call.settlements.length === 0) call.reject(error);
      else call.resolve([...call.lost, ...call.settlements.map((settlement) => settlement.delivery)]);
    }
    this.#calls = [];
    this.#held.clear();
    this.#ready = [];
    this.#idle?.abort();
    if (this.#demand !== undefined) this.#errorTold = true;
    this.#demand?.reject(error);
    this.#demand = undefined;
    this.#options.ended(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    // From here no new turn starts; one under way ends first, and what it brings is given back with the rest.
    this.#cancelled = true;
    this.#demand?.resolve(END);
    this.#demand = undefined;
    this.#idle?.abort();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DISPOSE_MS);
    });
    await Promise.race([
      this.#close().catch((error: unknown) => log.warn('Giving back at the end failed: {error}', { error })),
      late,
    ]);
    clearTimeout(timer);
    this.#options.ended(undefined);
  }

  async #close(): Promise<void> {
    // A turn that waits for a dead line ends when its holder does.
    const patience = setTimeout(() => this.#holder[Symbol.asyncDispose]().then(undefined, () => undefined), TURN_PATIENCE_MS);
    const queues = [...this.#queues, ...this.#fanouts.keys()];
    try {
      await this.#turning;
      if (this.#error === undefined) await this.#lastTurn();
    } finally {
      clearTimeout(patience);
    }
    await this.#holder[Symbol.asyncDispose]();
    if (this.#error !== undefined) return;
    for (const queue of queues) await this.#options.released(queue);
  }

  /** Says what is still to say and gives back the rest. */
  async #lastTurn(): Promise<void> {
    for (const delivery of this.#held) this.#loose.push({ verdict: 'requeue', delivery, counted: false });
    this.#held.clear();
    this.#closed = true;
    this.#ready = [];
    this.#queues = [];
    if (this.#calls.length > 0 || this.#loose.length > 0) await this.#turn(0);
    for (const fanout of this.#fanouts.values()) await fanout[Symbol.asyncDispose]();
    this.#fanouts.clear();
  }
}

function joined(calls: readonly SettleCall[], loose: readonly Settlement[]): readonly Settlement[] {
  if (calls.length === 1 && loose.length === 0 && calls[0] !== undefined) return calls[0].settlements;
  if (calls.length === 0) return loose;
  return calls.flatMap((call) => call.settlements).concat(loose);
}

function lostOf(call: SettleCall, lost: readonly Delivery[]): readonly Delivery[] {
  if (lost.length === 0) return call.lost.length === 0 ? NONE : call.lost;
  const gone = new Set(lost);
  return [...call.lost, ...call.settlements.map(({ delivery }) => delivery).filter((delivery) => gone.has(delivery))];
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
