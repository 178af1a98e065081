// The keeper, seen from the main thread: one worker thread for each broker that renews the leases of its holders over a connection of
// its own, so that a blocked event loop loses no lease. It watches the main loop through a shared counter. Until it has a connection, and
// whenever it is late, the main loop renews in its place.
import { Worker } from 'node:worker_threads';
import { logger } from '../../util/index.ts';
import type { RedisContext } from './context.ts';
import { type KeptKeys, renewLease } from './renewal.ts';

/** What the keeper's thread is started with. Plain data. */
export interface KeeperData {
  readonly target: RedisContext['target'];
  readonly connectTimeout: number;
  readonly leaseMs: number;
  /** Milliseconds between renewals. */
  readonly renewMs: number;
  /** Celery's index, whose scores are kept fresh; '' without. */
  readonly unackedIndex: string;
  /** Seconds. */
  readonly maxLoopBlock: number;
  /** One 32-bit number that the main loop counts up. */
  readonly turns: SharedArrayBuffer;
  /** One 64-bit number: when the keeper last renewed all leases, in epoch milliseconds. */
  readonly renewed: SharedArrayBuffer;
}

/** Main thread → keeper. */
export type KeeperOrder =
  | ({ readonly keep: string } & KeptKeys)
  | { readonly drop: string }
  /** A view of the main loop; see util/loop-view.ts. */
  | { readonly watch: SharedArrayBuffer };
/** Keeper → main thread: a lease was gone when it was to be renewed. */
export interface KeeperNews {
  readonly lost: string;
}

export interface Keeper {
  /** Renews a lease until dropped (again with other keys: those from then on); `lost` is called once if it ends all the same. */
  keep(incarnation: string, keys: KeptKeys, lost: () => void): void;
  drop(incarnation: string): void;
  /** The thread says so when this loop stands still. */
  watchLoop(view: SharedArrayBuffer): void;
  /** Epoch milliseconds of the last renewal; a lease that was just opened counts. Undefined while there is nothing to renew. */
  readonly renewed: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

const TICK_MS = 500;
/** The thread starts a little after the first lease, which is young then: a worker takes its first tasks before. */
const START_MS = 50;
const log = logger('broker', 'redis', 'keeper');

/** Often enough for the lease, and in Celery's mode for the visibility time-out by which peers judge. */
function renewal({ leaseMs, unacked, transport }: RedisContext): number {
  const shortest = unacked === '' ? leaseMs : Math.min(leaseMs, transport.visibilityTimeout * 1000);
  return Math.max(50, Math.min(10_000, shortest / 3));
}

/** Starts the thread at the first lease. */
export function createKeeper(context: RedisContext): Keeper {
  const kept = new Map<string, { readonly keys: KeptKeys; readonly lost: () => void }>();
  const turns = new SharedArrayBuffer(4);
  const counter = new Int32Array(turns);
  const renewedBuffer = new SharedArrayBuffer(8);
  const renewed = new BigInt64Array(renewedBuffer);
  const renewMs = renewal(context);
  let thread: Worker | undefined;
  let ticker: NodeJS.Timeout | undefined;
  let starting: NodeJS.Timeout | undefined;
  /** When the main loop renewed, or began to hold: epoch milliseconds. */
  let renewedHere = 0;
  let renewing = false;
  const views: SharedArrayBuffer[] = [];

  function start(): Worker {
    const data: KeeperData = {
      target: context.target,
      connectTimeout: context.connectTimeout,
      leaseMs: context.leaseMs,
      renewMs,
      unackedIndex: context.unackedIndex,
      maxLoopBlock: context.transport.maxLoopBlock,
      turns,
      renewed: renewedBuffer,
    };
    const started = new Worker(new URL(`./keeper-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url), {
      workerData: data,
      // The options of the program (inspectors, loaders, test runners) are not the keeper's.
      execArgv: [],
      name: 'lovage-keeper',
    });
    started.unref();
    started.on('message', ({ lost }: KeeperNews) => ended(lost));
    // Without a keeper the main loop renews the leases, as long as it turns.
    started.on('error', (error) => {
      log.error('The keeper of the leases failed; a blocked event loop may now lose them: {error}', { error });
      thread = undefined;
    });
    return started;
  }

  function ended(incarnation: string): void {
    kept.get(incarnation)?.lost();
    kept.delete(incarnation);
  }

  const lastRenewed = (): number => Math.max(renewedHere, Number(Atomics.load(renewed, 0)));

  /** One turn of the main loop, which the keeper sees; renews when the keeper is late: a new connection over a slow line takes seconds. */
  async function tick(): Promise<void> {
    Atomics.add(counter, 0, 1);
    if (kept.size === 0 || renewing || Date.now() - lastRenewed() < 1.5 * renewMs) return;
    renewing = true;
    try {
      for (const [incarnation, { keys }] of [...kept]) {
        if (!(await renewLease(context.line, context, keys)) && kept.has(incarnation)) ended(incarnation);
      }
      renewedHere = Date.now();
    } catch {
      // The next tick tries again, and a lease that ended meanwhile shows there.
    } finally {
      renewing = false;
    }
  }

  const order = (message: KeeperOrder): void => thread?.postMessage(message);

  function begin(): void {
    starting = undefined;
    if (kept.size === 0) return;
    try {
      thread ??= start();
    } catch (error) {
      // TLS options that cannot be copied to a thread, or no threads left.
      log.error('No keeper for the leases; a blocked event loop may lose them: {error}', { error });
    }
    for (const [incarnation, { keys }] of kept) order({ keep: incarnation, ...keys });
    for (const view of views.splice(0)) order({ watch: view });
  }

  return {
    get renewed() {
      const time = lastRenewed();
      return kept.size === 0 || time === 0 ? undefined : time;
    },
    keep: (incarnation, keys, lost) => {
      if (kept.size === 0) renewedHere = Date.now();
      kept.set(incarnation, { keys, lost });
      ticker ??= setInterval(() => void tick(), Math.min(TICK_MS, renewMs)).unref();
      if (thread === undefined) starting ??= setTimeout(begin, START_MS).unref();
      else order({ keep: incarnation, ...keys });
    },
    drop: (incarnation) => {
      kept.delete(incarnation);
      order({ drop: incarnation });
    },
    watchLoop: (view) => {
      if (thread === undefined) views.push(view);
      else order({ watch: view });
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(ticker);
      clearTimeout(starting);
      await thread?.terminate();
      thread = undefined;
    },
  };
}
