// The line to the broker, one explicit state machine; every change of state is in #run, and nobody else connects:
//   connecting → subscribed → lost → (waiting →) connecting … → stopped
// What runs goes on across a reconnect. A watchdog breaks a line on which nothing comes although there is something to do.
import type { Subscription, Topology } from '../broker/index.ts';
import type { Pool } from '../pool/index.ts';
import {
  after,
  BrokerConnectionError,
  backoff,
  type Clock,
  deadline,
  isRefusedLogin,
  LovageError,
  logger,
  orAborted,
  reasonOf,
  redactUrl,
  sleep,
  systemClock,
  type Timer,
} from '../util/index.ts';
import { Flow, type TaskWatch } from './flow.ts';
import type { AddedQueue, WorkerApp } from './port.ts';
import type { Rounds } from './rate.ts';
import type { Revoked } from './revoked.ts';

const log = logger('consumer');
const RECONNECT = { first: 0.2, cap: 30 };
/** Seconds after which a line counts as good: losing it starts the back-off anew, and the first try is made at once. */
const GOOD_LINE = 1;
/** Seconds that a broker has to stop delivering before what runs is broken off: what goes back would come straight here again. */
const CANCEL_PATIENCE = 0.5;
/** Seconds that the ends of aborted tasks may take to be settled. */
const SETTLE_PATIENCE = 1;
/** Seconds that giving back may take when the broker does not answer. */
const GIVE_BACK_PATIENCE = 2;
/** Seconds that closing a line may take. */
const CLOSE_PATIENCE = 5;

/** What else lives as long as a line to the broker: the steps of the consumer's blueprint, started anew with each line. */
export interface LineSteps {
  /** The broker answers and the queues are declared; nothing is taken before this has resolved. Its rejection ends the attempt. */
  connected(signal: AbortSignal): Promise<void>;
  /** The first take is armed. Its rejection ends the consumer if it never was ready, else the line. */
  subscribed(signal: AbortSignal): Promise<void>;
  /** The worker stops, the line is still there. */
  drain(signal: AbortSignal): Promise<void>;
  /** The line is gone, or is given up. Never rejects. */
  lost(): Promise<void>;
}

export type LineState = 'connecting' | 'subscribed' | 'lost' | 'waiting' | 'stopped';

export interface ConsumerOptions {
  readonly app: WorkerApp;
  readonly pool: Pool;
  /** Node name. */
  readonly hostname: string;
  readonly clock?: Clock;
  /** Seconds without a message, with free slots, after which the queues are asked whether anything waits. @default 15 */
  readonly watchdog?: number;
  /** What must not run, as far as it is known at the start. */
  readonly revoked?: Revoked;
  readonly onState?: (state: LineState) => void;
  readonly line?: LineSteps;
  /** Slots that the pool may grow to. @default those that it has */
  readonly capacity?: () => number;
  /** Called when messages came. */
  readonly onLoad?: () => void;
  readonly watch?: TaskWatch;
  /** Called when a message was revoked while it was being parked: whoever looked for what is parked may not have seen it. */
  readonly onMissed?: () => void;
  /** When what is far from its turn under a rate limit comes by again. @default after a minute at least, ten at most */
  readonly rounds?: Rounds;
}

const DEFAULT_WATCHDOG = 15;

/** Does RabbitMQ give this queue's messages to one consumer at a time? To all others nothing comes, however many wait. */
function feedsOneOnly(name: string, { queues }: Topology): boolean {
  return queues.some((queue) => queue.name === name && queue.arguments['x-single-active-consumer'] === true);
}

function lostForGood(cause: unknown): BrokerConnectionError {
  return new BrokerConnectionError(
    `The connection to the broker was lost, and the setting brokerConnectionRetry is off, so the worker ends. (${String(cause)})`,
    { cause },
  );
}

/** Takes task messages from the broker for as long as it lives. */
export class Consumer implements AsyncDisposable {
  /** What is in hand. */
  readonly flow: Flow;
  /** Resolves when the first take is armed, rejects when the first connection is given up. */
  readonly ready: Promise<void>;
  /** Resolves when the consumer has stopped: with the error that ended it, if one did. */
  readonly closed: Promise<Error | undefined>;
  readonly #options: ConsumerOptions;
  readonly #clock: Clock;
  readonly #ready = Promise.withResolvers<void>();
  readonly #drained = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  #subscription: Subscription | undefined;
  #cancelling: Promise<void> | undefined;
  #break: ((error: Error) => void) | undefined;
  #state: LineState = 'connecting';
  #isReady = false;
  #lastBatch = 0;
  #connections = 0;
  /** Why there shall be no further line. */
  #hopeless: Error | undefined;
  /** What the line that is open was opened with. */
  #prefetch = 0;
  #dog: Timer | undefined;
  /** Queues from which nothing is taken until they are resumed. */
  #paused: ReadonlySet<string> = new Set();
  #isBlindToPauses = false;
  #looking: Promise<void> = Promise.resolve();
  #looksOnceOpen = false;
  /** Queues that could not be declared for the newest line. */
  #refused: ReadonlySet<string> = new Set();
  /** Queues that the newest line was opened for. */
  #opened: readonly string[] = [];
  #nextLook: Promise<void> | undefined;

  constructor(options: ConsumerOptions) {
    const { app, pool, hostname, clock, capacity, onLoad, onMissed, revoked, watch, rounds } = options;
    this.#options = options;
    this.#clock = clock ?? systemClock;
    const subscription = (): Subscription | undefined => this.#subscription;
    this.flow = new Flow({ app, pool, hostname, clock, subscription, capacity, onLoad, onMissed, revoked, watch, rounds });
    this.ready = this.#ready.promise;
    this.ready.catch(() => undefined);
    this.closed = this.#run().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error : new BrokerConnectionError(String(error))),
    );
    this.#watch();
  }

  get state(): LineState {
    return this.#state;
  }

  /** Seconds since the last message came, or the line was opened; undefined without a line. */
  get silence(): number | undefined {
    return this.#subscription === undefined ? undefined : (this.#clock.monotonic() - this.#lastBatch) / 1000;
  }

  /** Milliseconds (performance.now()) at which the broker was last heard; undefined without a line. */
  get lastHeard(): number | undefined {
    return this.#subscription?.lastHeard;
  }

  /** For `inspect stats`. */
  info(): Readonly<Record<string, unknown>> {
    return {
      prefetch_count: this.flow.prefetch,
      total: Object.fromEntries(this.flow.totals),
      ...(this.flow.quarantined.length === 0 ? {} : { quarantine: this.flow.quarantined }),
      line: { state: this.#state, connections: this.#connections },
    };
  }

  /** Takes from this queue too, from now on and after each reconnect. Throws when it cannot be declared; then all is as it was. */
  async addQueue(queue: AddedQueue): Promise<void> {
    const { app } = this.#options;
    const before = app.queues().names;
    const added = app.addQueue?.(queue);
    if (added === undefined) return;
    try {
      await app.broker.declare(added.topology);
    } catch (error) {
      // One that was taken from before goes on.
      if (!before.includes(added.name)) app.cancelQueue?.(queue.name);
      throw error;
    }
    const isPaused = (await this.#pausedAmong([added.name])).length > 0;
    const others = [...this.#paused].filter((name) => name !== added.name);
    this.#paused = new Set(isPaused ? [...others, added.name] : others);
    this.flow.closeTo(this.#paused);
    // Without a line, the next one takes it along. A worker that stops takes nothing more.
    if (this.#stopping) return;
    // A line that was opened meanwhile may take from it already.
    await (isPaused ? this.#subscription?.cancel(added.name) : this.#subscription?.add(added.name));
  }

  /** Takes nothing more from this queue; what is in hand of it goes on. */
  async cancelQueue(name: string): Promise<void> {
    const gone = this.#options.app.cancelQueue?.(name);
    if (gone !== undefined) await this.#subscription?.cancel(gone);
  }

  /** Takes nothing more, because the worker stops. */
  get draining(): boolean {
    return this.#stopping;
  }

  /** Lines that were opened so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Queues from which nothing is taken until they are resumed. */
  get paused(): readonly string[] {
    return [...this.#paused];
  }

  /**
   * Asks the broker which queues are paused, and takes from the others. What has not started of a paused queue goes back, uncounted. One
   * look at a time; those who ask while one is going on share the next.
   */
  lookForPauses(): Promise<void> {
    this.#nextLook ??= this.#looking.then(() => {
      this.#nextLook = undefined;
      const look = this.#lookForPauses();
      this.#looking = look.catch(() => undefined);
      return look;
    });
    return this.#nextLook;
  }

  async #lookForPauses(): Promise<void> {
    const subscription = this.#subscription;
    // The line that is being opened may have asked already.
    this.#looksOnceOpen = subscription === undefined;
    if (subscription === undefined || this.#stopping) return;
    const before = this.#paused;
    const now = await this.#askForPauses();
    if (this.#subscription !== subscription || this.#stopping) return;
    this.#paused = now;
    this.flow.closeTo(now);
    const { names } = this.#options.app.queues();
    for (const name of names) {
      if (now.has(name) === before.has(name) || this.#refused.has(name)) continue;
      log.warning(now.has(name) ? 'Queue {name} is paused.' : 'Queue {name} is resumed.', { name });
      await (now.has(name) ? subscription.cancel(name) : subscription.add(name));
    }
    this.flow.giveBackPaused();
  }

  async #askForPauses(): Promise<ReadonlySet<string>> {
    const { topology } = this.#options.app.queues();
    // What goes with its worker belongs to it alone.
    const lasting = topology.queues.filter(({ autoDelete, exclusive }) => autoDelete !== true && exclusive !== true);
    return new Set(await this.#pausedAmong(lasting.map(({ name }) => name)));
  }

  async #pausedAmong(names: readonly string[]): Promise<readonly string[]> {
    try {
      return await this.#options.app.broker.paused(names);
    } catch (error) {
      if (error instanceof BrokerConnectionError) throw error;
      // During an alarm RabbitMQ answers nobody who publishes: what was paused stays so.
      if (error instanceof LovageError && error.transient) return names.filter((name) => this.#paused.has(name));
      // A user of the broker who may not even ask still takes tasks.
      if (!this.#isBlindToPauses) {
        log.warning('Whether queues are paused cannot be found out, so none is taken for paused: {error}', {
          error: reasonOf(error),
        });
      }
      this.#isBlindToPauses = true;
      return [];
    }
  }

  /** Takes nothing more, gives back what has not started, and waits for what runs. Rejects with the signal's reason. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#stop.abort(new BrokerConnectionError('The worker stops.'));
    this.flow.pause();
    await orAborted(this.#options.line?.drain(signal) ?? Promise.resolve(), signal).catch((error: unknown) =>
      log.warning('Draining ended early: {error}', { error: String(error) }),
    );
    // A broker that does not answer is not waited for longer than for tasks.
    this.#cancelling = this.#subscription?.cancel();
    await orAborted(this.#cancelling ?? Promise.resolve(), signal).catch((error: unknown) =>
      log.debug('Cancelling failed: {error}', { error: String(error) }),
    );
    await orAborted(
      this.flow.giveBack().then(() => this.flow.quiet()),
      signal,
    );
    this.#drained.resolve();
    await orAborted(this.closed, signal);
  }

  /** After a drain that took too long: asks what runs to stop, and gives back what does not stop within `grace` seconds. */
  async interrupt(reason: Error, grace: number): Promise<void> {
    await orAborted(this.#cancelling ?? Promise.resolve(), AbortSignal.timeout(CANCEL_PATIENCE * 1000)).catch(() => undefined);
    this.flow.interrupt(reason);
    await orAborted(this.flow.still(), AbortSignal.timeout(grace * 1000)).catch(() => undefined);
    await orAborted(this.flow.quiet(), AbortSignal.timeout(SETTLE_PATIENCE * 1000)).catch(() => undefined);
    // What has ended and could not be settled by now will not be, and without a line nothing can be given back.
    if (this.#subscription === undefined || !this.flow.runs) return;
    // Written while stores and brokers still get a chance; dispose ends their retries.
    const given = this.flow.abandon().then(() => this.flow.quiet());
    await orAborted(given, AbortSignal.timeout(GIVE_BACK_PATIENCE * 1000)).catch(() => undefined);
  }

  /** Closes the line. Without a drain before, what is held goes back uncounted. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new BrokerConnectionError('The worker stops.');
    this.#dog?.cancel();
    this.#stop.abort(reason);
    this.#drained.resolve();
    // Whoever still runs is told: the pool that is closed next waits for them.
    this.flow.interrupt(reason);
    this.flow.giveUp(reason);
    this.#break?.(reason);
    await this.closed;
    this.flow[Symbol.dispose]();
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  #enter(state: LineState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }

  async #run(): Promise<void> {
    let failures = 0;
    try {
      while (!this.#stopping) {
        this.#enter('connecting');
        const subscription = await this.#open(failures);
        if (subscription === undefined) {
          failures++;
          continue;
        }
        const began = this.#clock.monotonic();
        this.#lastBatch = began;
        const error = await this.#consume(subscription);
        await this.#close(subscription);
        if (this.#stopping) break;
        if (this.#hopeless !== undefined) throw this.#hopeless;
        this.#enter('lost');
        if (!this.#options.app.settings.brokerConnectionRetry) throw lostForGood(error);
        log.warning('consumer: Connection to broker lost. Trying to re-establish the connection... ({error})', {
          error: String(error),
        });
        const good = this.#clock.monotonic() - began > GOOD_LINE * 1000;
        // A line that brought something worked, however short it was: cut again and again it comes back as quickly as the first time.
        const worked = this.#lastBatch > began;
        failures = good ? 0 : worked ? 1 : failures + 1;
        if (!good) await this.#wait(backoff(failures - 1, RECONNECT));
      }
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      this.#enter('stopped');
      this.#ready.reject(new BrokerConnectionError('The worker was stopped before it had connected to its broker.'));
    }
  }

  /** One attempt to declare and subscribe; waits after a failure, throws when there shall be no further attempt. */
  async #open(failures: number): Promise<Subscription | undefined> {
    const { app, hostname } = this.#options;
    try {
      const { names, topology } = app.queues();
      await this.#reach();
      // A broker that answers at first and then falls silent is left too, and asked anew on another line.
      const patience = 2 * (this.#options.watchdog ?? DEFAULT_WATCHDOG);
      const late = (): Error => new BrokerConnectionError(`the queues could not be opened within ${patience} s`);
      using limit = deadline(patience, late, this.#stop.signal);
      const opened = Promise.all([this.#askForPauses(), this.#declare(topology)]);
      const [paused, refused] = await orAborted(opened, limit.signal);
      this.#paused = paused;
      this.#refused = refused;
      this.flow.closeTo(paused);
      await this.#options.line?.connected(this.#stop.signal);
      const prefetch = this.flow.prefetch;
      const open = names.filter((name) => !paused.has(name) && !refused.has(name));
      const opening = app.broker.subscribe(open, { prefetch, node: hostname });
      const subscription = await orAborted(opening, limit.signal).catch((error: unknown) => {
        // Nobody waits for this line any more; if it opens after all, it is closed again.
        opening.then((late) => late[Symbol.asyncDispose]()).catch(() => undefined);
        throw error;
      });
      this.#prefetch = prefetch;
      this.#opened = open;
      this.#connections++;
      log.info('Connected to {url}', { url: redactUrl(app.broker.url) });
      return subscription;
    } catch (error) {
      await this.#options.line?.lost();
      if (this.#stopping) return undefined;
      this.#judge(error, failures + 1);
      const wait = backoff(failures, RECONNECT);
      log.error('consumer: Cannot connect to {url}: {error}\nTrying again in {wait} seconds... ({failures}/{limit})', {
        url: redactUrl(app.broker.url),
        error: reasonOf(error),
        wait: wait.toFixed(2),
        failures: failures + 1,
        limit: app.settings.brokerConnectionMaxRetries || 'without end',
      });
      await this.#wait(wait);
      return undefined;
    }
  }

  /** Declares all. Where a worker that works is refused one of its queues for good, the others go on; answers which are left out. */
  async #declare(topology: Topology): Promise<ReadonlySet<string>> {
    const { broker } = this.#options.app;
    const refused = new Set<string>();
    try {
      await broker.declare(topology);
    } catch (error) {
      if (!this.#isReady || isPassing(error)) throw error;
      for (const { name } of topology.queues) if (!(await this.#isDeclared(name, topology))) refused.add(name);
      if (refused.size === topology.queues.length) throw error;
    }
    return refused;
  }

  /** Declares one of the queues; false when it is refused for good. */
  async #isDeclared(name: string, topology: Topology): Promise<boolean> {
    const queues = topology.queues.filter((queue) => queue.name === name);
    const bindings = topology.bindings.filter((binding) => binding.queue === name);
    const exchanges = topology.exchanges.filter((exchange) => bindings.some((binding) => binding.exchange === exchange.name));
    try {
      await this.#options.app.broker.declare({ exchanges, queues, bindings });
      return true;
    } catch (error) {
      if (isPassing(error)) throw error;
      if (!this.#refused.has(name))
        log.error('consumer: Nothing is taken from {name}, which is tried again; the other queues go on: {error}', {
          name,
          error: reasonOf(error),
        });
      return false;
    }
  }

  /** Takes from queues that were refused, once they are not any more. */
  async #tryRefused(): Promise<void> {
    const subscription = this.#subscription;
    const { names, topology } = this.#options.app.queues();
    // One that was cancelled meanwhile is nobody's wish any more.
    for (const name of names.filter((wanted) => this.#refused.has(wanted))) {
      if (!(await this.#isDeclared(name, topology))) continue;
      if (this.#subscription !== subscription || this.#stopping) return;
      if (!this.#paused.has(name)) await subscription?.add(name);
      this.#refused = new Set([...this.#refused].filter((other) => other !== name));
      log.info('consumer: The queue {name} is taken from again.', { name });
    }
  }

  /** A driver may try for ever by itself; asked first, it says within the time why it cannot, and the log can tell. */
  async #reach(): Promise<void> {
    const { broker, settings } = this.#options.app;
    const seconds = settings.brokerConnectionTimeout ?? 4;
    using limit = deadline(seconds, () => new BrokerConnectionError(`no answer within ${seconds} s`), this.#stop.signal);
    await broker.check(limit.signal);
  }

  /** Throws when this failure is the last one. */
  #judge(error: unknown, failures: number): void {
    const { settings, broker } = this.#options.app;
    const onStart = settings.brokerConnectionRetryOnStartup ?? settings.brokerConnectionRetry;
    const reason = reasonOf(error);
    if (!this.#isReady) {
      if (error instanceof LovageError && !error.transient) throw error;
      // Later it is tried again: passwords are changed while workers run.
      if (isRefusedLogin(error)) {
        const message = `The broker ${redactUrl(broker.url)} refuses this login: ${reason}. Check user, password and database in its URL.`;
        throw new BrokerConnectionError(message, { cause: error, transient: false });
      }
    }
    if (!(this.#isReady ? settings.brokerConnectionRetry : onStart)) {
      const setting = this.#isReady || typeof settings.brokerConnectionRetryOnStartup !== 'boolean' ? '' : 'OnStartup';
      throw new BrokerConnectionError(
        `The broker ${redactUrl(broker.url)} cannot be reached: ${reason}. It is not tried again (setting brokerConnectionRetry${setting}).`,
        { cause: error },
      );
    }
    const limit = settings.brokerConnectionMaxRetries;
    if (limit && failures > limit) {
      throw new BrokerConnectionError(
        `The broker ${redactUrl(broker.url)} could not be reached in ${limit} attempts (setting brokerConnectionMaxRetries): ${reason}.`,
        { cause: error },
      );
    }
  }

  /** Hands batches on until the line ends; resolves to why. */
  async #consume(subscription: Subscription): Promise<unknown> {
    this.#subscription = subscription;
    const broken = new Promise<Error>((resolve) => {
      this.#break = resolve;
    });
    this.flow.lineOpened(this.#prefetch);
    this.#catchUp(subscription).catch((error: unknown) => {
      if (this.#subscription === subscription) this.#break?.(error instanceof Error ? error : new Error(String(error)));
    });
    if (this.#looksOnceOpen) this.lookForPauses().catch((error: unknown) => log.debug('{error}', { error: String(error) }));
    this.#enter('subscribed');
    const error = await Promise.race([this.#iterate(subscription), broken]);
    // A drain still has verdicts to write on this line.
    if (this.#stopping) await this.#drained.promise;
    return error;
  }

  /** Queues that were added or cancelled while the line was being opened. */
  async #catchUp(subscription: Subscription): Promise<void> {
    const { names } = this.#options.app.queues();
    const opened = new Set(this.#opened);
    const missing = names.filter((name) => !opened.has(name) && !this.#paused.has(name) && !this.#refused.has(name));
    const gone = this.#opened.filter((name) => !names.includes(name));
    const changes = [
      ...missing.map((name) => () => subscription.add(name)),
      ...gone.map((name) => () => subscription.cancel(name)),
    ];
    for (const change of changes) {
      if (this.#subscription !== subscription || this.#stopping) return;
      await change();
    }
  }

  async #iterate(subscription: Subscription): Promise<unknown> {
    try {
      const batches = subscription[Symbol.asyncIterator]();
      let next = batches.next();
      this.#armed();
      for (let batch = await next; batch.done !== true; batch = await next) {
        // What still comes on a line that we gave up goes back when it is closed.
        if (this.#subscription !== subscription) return new BrokerConnectionError('The line was given up.');
        this.#lastBatch = this.#clock.monotonic();
        this.flow.receive(batch.value);
        next = batches.next();
      }
      return new BrokerConnectionError('The subscription ended.');
    } catch (error) {
      return error;
    }
  }

  /** Whoever waits for the first take is told; messages are taken in meanwhile. */
  #armed(): void {
    const { line } = this.#options;
    if (line === undefined) {
      this.#becomeReady();
      return;
    }
    line.subscribed(this.#stop.signal).then(
      () => this.#becomeReady(),
      (error: unknown) => {
        if (this.#stopping) return;
        const reason = error instanceof Error ? error : new BrokerConnectionError(String(error));
        if (!this.#isReady) this.#hopeless = reason;
        this.#break?.(reason);
      },
    );
  }

  #becomeReady(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#ready.resolve();
  }

  async #close(subscription: Subscription): Promise<void> {
    this.#subscription = undefined;
    this.#break = undefined;
    this.flow.lineLost();
    await this.#options.line?.lost();
    try {
      await orAborted(Promise.resolve(subscription[Symbol.asyncDispose]()), AbortSignal.timeout(CLOSE_PATIENCE * 1000));
    } catch (error) {
      log.debug('Closing a lost line failed: {error}', { error: String(error) });
    }
  }

  async #wait(seconds: number): Promise<void> {
    this.#enter('waiting');
    await sleep(seconds, this.#stop.signal).catch(() => undefined);
  }

  #watch(): void {
    const patience = this.#options.watchdog ?? DEFAULT_WATCHDOG;
    this.#dog = after(patience / 3, () => {
      void this.#look(patience)
        .catch((error: unknown) => log.debug('The watchdog could not look: {error}', { error: String(error) }))
        .finally(() => {
          if (!this.#stopping) this.#watch();
        });
    });
  }

  /** Free slots, waiting tasks, and nothing comes: the line is deaf, whatever it says of itself. */
  async #look(patience: number): Promise<void> {
    const subscription = this.#subscription;
    const silent = (): boolean =>
      this.#subscription === subscription && this.flow.hungry && this.#clock.monotonic() - this.#lastBatch > patience * 1000;
    if (subscription !== undefined && this.#refused.size > 0) await this.#tryRefused();
    if (subscription === undefined || !silent()) return;
    const { broker } = this.#options.app;
    const { names: all, topology } = this.#options.app.queues();
    const names = all.filter((name) => !this.#paused.has(name) && !this.#refused.has(name) && !feedsOneOnly(name, topology));
    const counts = await orAborted(Promise.all(names.map((name) => broker.count(name))), AbortSignal.timeout(patience * 1000));
    const waiting = counts.reduce((sum, count) => sum + (count?.ready ?? 0), 0);
    if (waiting === 0 || !silent()) return;
    log.warning(
      'consumer: {waiting} tasks wait, slots are free, and nothing has come for {patience} seconds; subscribing again.',
      {
        waiting,
        patience,
      },
    );
    this.#break?.(new BrokerConnectionError('The line was deaf.'));
  }
}

/** May the same succeed the next time? */
function isPassing(error: unknown): boolean {
  return !(error instanceof LovageError) || error.transient;
}
