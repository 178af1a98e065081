// Beat: sends what is due. Any number of them may run for one app; one leads, the others look every second whether it still does.
//
// A turn, again and again until it is stopped:
// 1. lease: the leader renews it; another takes it over once it was the same for too long (leadership.ts).
// 2. edits: what people changed since the last turn is read; who has just got the lease reads everything.
// 3. runs: those that are due are planned (plan.ts), sent (send.ts) and noted (shift.ts), some hundred at a time.
// 4. sleep: until the next run, an edit, or the next turn of the lease, whichever comes first.
import { hostname } from 'node:os';
import type { Lovage } from '../app/index.ts';
import {
  after,
  BrokerConnectionError,
  deadline,
  isRefusedLogin,
  LovageError,
  logger,
  orAborted,
  reasonOf,
  uuid,
} from '../util/index.ts';
import { Leadership } from './leadership.ts';
import { openScheduleStore, type StoreChoice } from './open.ts';
import { nowOf } from './roster.ts';
import { createSender, type Sender } from './send.ts';
import { Shift } from './shift.ts';
import type { ScheduleStore } from './store.ts';

const log = logger('beat');
/** Seconds between two turns at most: edits, and a clock that was moved, are noticed within. */
const TURN = 1;
/** Seconds that one call of the store may take: what was not answered by then is in doubt. */
const STORE_PATIENCE = 10;
/** A store that is away is spoken of once in so many seconds. */
const SAY_EVERY = 60;
/** Seconds without an answer of the store after which that is said. */
const SILENCE = 2;
/** Seconds that stopping waits for a store that is away. */
const STOP_PATIENCE = 1;

export interface BeatOptions extends StoreChoice {
  /** Longest sleep, in seconds. @default the setting beatMaxLoopInterval */
  readonly maxInterval?: number | undefined;
  /** Runs inside of a worker. @default false */
  readonly embedded?: boolean;
}

/** A running beat. */
export interface Beat extends AsyncDisposable {
  /** Address of its store, passwords masked. */
  readonly store: string;
  readonly isLeader: boolean;
  /** Resolves when it has looked who leads for the first time. */
  readonly ready: Promise<void>;
  /** Resolves, to the reason, when its store refuses it before it could look once (its login, say). It is tried again all the same. */
  readonly refused: Promise<Error>;
}

/** Starts a beat for an app, whose task modules should be loaded by then. Dispose it to stop. Throws ConfigurationError. */
export async function startBeat(app: Lovage, options: BeatOptions = {}): Promise<Beat> {
  await app.ready();
  const store = await openScheduleStore(app, options, STORE_PATIENCE);
  const sender = await createSender(app, store);
  const { embedded = false } = options;
  await app.signals.beatInit.tell(() => ({ store: store.url, embedded }));
  if (embedded) await app.signals.beatEmbeddedInit.tell(() => ({ store: store.url, embedded }));
  return new RunningBeat({ app, store, sender, longest: options.maxInterval });
}

/** What no second try can help. */
function refusalOf(error: unknown, store: string): Error | undefined {
  if (error instanceof LovageError && !error.transient) return error;
  if (!isRefusedLogin(error)) return undefined;
  const message = `The schedule store ${store} refuses this login: ${reasonOf(error)}. Check user, password and database in its URL.`;
  return new BrokerConnectionError(message, { cause: error, transient: false });
}

interface RunningOptions {
  readonly app: Lovage;
  readonly store: ScheduleStore;
  readonly sender: Sender;
  readonly longest: number | undefined;
}

class RunningBeat implements Beat {
  readonly store: string;
  readonly ready: Promise<void>;
  readonly refused: Promise<Error>;
  readonly #app: Lovage;
  readonly #store: ScheduleStore;
  readonly #leadership: Leadership;
  readonly #shift: Shift;
  /** Seconds. */
  readonly #turnSeconds: number;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  /** When it was last said that the store is away, monotonic milliseconds; undefined: it is not. */
  #saidAt: number | undefined;
  /** Something happened during the turn: the next one comes at once. */
  #isPoked = false;
  #wake: () => void = () => undefined;
  #working: Promise<void> | undefined;

  constructor({ app, store, sender, longest }: RunningOptions) {
    const { beatLease, beatMaxLoopInterval } = app.settings;
    this.store = store.url;
    this.#app = app;
    this.#store = store;
    const chosen = longest ?? beatMaxLoopInterval;
    this.#turnSeconds = Math.max(0.01, Math.min(TURN, chosen === 0 ? TURN : chosen, beatLease / 3));
    const owner = `${hostname()}:${process.pid}:${uuid()}`;
    this.#leadership = new Leadership({ store, clock: app.time, owner, lease: beatLease });
    this.#shift = new Shift({
      app,
      store,
      sender,
      token: () => this.#leadership.token,
      isFresh: () => this.#leadership.isFresh,
      lost: () => this.#leadership.lose(),
    });
    const ready = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<Error>();
    this.ready = ready.promise;
    this.refused = refused.promise;
    this.#ended = this.#run(ready.resolve, refused.resolve);
  }

  get isLeader(): boolean {
    return this.#leadership.token !== undefined;
  }

  async #run(isReady: () => void, isRefused: (error: Error) => void): Promise<void> {
    let served = false;
    using _ = this.#store.onEdit?.(() => this.#poke());
    using _down = this.#store.onDown?.((error) => this.#complain(error));
    while (!this.#stopping.signal.aborted) {
      const silence = after(SILENCE, () => this.#complain(new Error(`no answer for ${SILENCE} s`)), { ref: true });
      try {
        this.#isPoked = false;
        await this.#turn();
        this.#praise();
        served = true;
        isReady();
      } catch (error) {
        // Later it is no refusal: passwords are changed while beats run.
        const refusal = served ? undefined : refusalOf(error, this.store);
        if (refusal !== undefined) isRefused(refusal);
        if (!this.#stopping.signal.aborted) this.#complain(error);
      } finally {
        silence.cancel();
      }
      await this.#sleep();
    }
    isReady();
  }

  async #turn(): Promise<void> {
    const inDoubt = this.#shift.inDoubt && this.#working === undefined;
    const before = this.#leadership.token;
    const edits = await this.#leadership.step(inDoubt);
    const { token } = this.#leadership;
    if (token === undefined) {
      this.#shift.reset();
      return;
    }
    // Sending may take long while a broker is away: the lease is kept meanwhile, and edits wait.
    if (this.#working !== undefined || (inDoubt && token === before)) return;
    // What is stored now can change no more but by this one.
    if (inDoubt) this.#shift.reset();
    this.#shift.lookAtClock();
    if (edits !== this.#shift.edits) await this.#shift.read();
    const { wakeAt } = this.#shift;
    if (wakeAt === undefined || wakeAt > nowOf(this.#app)) return;
    const working = this.#shift.work(this.#stopping.signal).catch((error: unknown) => this.#complain(error));
    this.#working = working.finally(() => {
      this.#working = undefined;
      this.#wake();
    });
  }

  #complain(error: unknown): void {
    const now = this.#app.time.monotonic();
    if (this.#saidAt !== undefined && now - this.#saidAt < SAY_EVERY * 1000) return;
    this.#saidAt = now;
    log.error('beat: The schedule store {store} cannot be used, it is tried again: {error}', {
      store: this.store,
      error: reasonOf(error),
    });
  }

  #praise(): void {
    if (this.#saidAt === undefined) return;
    this.#saidAt = undefined;
    log.info('beat: The schedule store {store} answers again.', { store: this.store });
  }

  #poke(): void {
    this.#isPoked = true;
    this.#wake();
  }

  async #sleep(): Promise<void> {
    if (this.#isPoked || this.#stopping.signal.aborted) return;
    const wakeAt = this.#leadership.token === undefined || this.#working !== undefined ? undefined : this.#shift.wakeAt;
    const until = wakeAt === undefined ? this.#turnSeconds : (wakeAt - nowOf(this.#app)) / 1000;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = after(Math.max(0, Math.min(until, this.#turnSeconds)), resolve, { ref: true });
    this.#wake = resolve;
    await promise;
    timer.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      this.#poke();
    }
    const end = async (): Promise<void> => {
      await this.#ended;
      await this.#working;
      await this.#leadership.resign();
    };
    // A store that does not answer keeps nobody: without it nothing can be finished.
    using limit = deadline(STOP_PATIENCE, () => new Error('the store does not answer'), undefined, { ref: true });
    try {
      await (this.#saidAt === undefined ? end() : orAborted(end(), limit.signal));
    } catch (error) {
      log.debug('beat: The lease could not be freed: {error}', { error: reasonOf(error) });
    }
    await this.#store[Symbol.asyncDispose]();
  }
}
