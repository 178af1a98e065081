// A picture of the cluster that follows the events by itself, and snapshots of one at a frequency.
import { after, ConfigurationError, logger, systemClock, type Timer } from '../util/index.ts';
import type { EventStream, StreamEvent } from './receiver.ts';
import { ClusterState, type ClusterStateOptions } from './state.ts';

const log = logger('event');

/** A state that is fed for as long as it is open. */
export interface LiveState extends AsyncDisposable {
  readonly state: ClusterState;
  /** Resolves when nothing more comes: its signal, its limit or its end. Rejects with what ended it. */
  readonly closed: Promise<void>;
  /** Events wait while this runs, so that the state stands still. */
  freezeWhile<T>(work: () => T | Promise<T>): Promise<T>;
}

export interface LiveOptions extends ClusterStateOptions {
  /** Told of each event after the state has taken it in. */
  readonly onEvent?: (event: StreamEvent, state: ClusterState) => void;
}

/** Feeds a state from a stream. Resolves when the stream listens. */
export async function followEvents(stream: EventStream, options: LiveOptions = {}): Promise<LiveState> {
  const { onEvent, ...rest } = options;
  const state = new ClusterState(rest);
  await stream.ready();
  let frozen: Promise<unknown> = Promise.resolve();
  const feed = async (): Promise<void> => {
    for (let batch = await stream.batch(); batch !== undefined; batch = await stream.batch()) {
      await frozen;
      for (const event of batch) {
        state.add(event);
        onEvent?.(event, state);
      }
    }
  };
  const closed = feed();
  closed.catch(() => undefined);
  return {
    state,
    closed,
    freezeWhile: (work) => {
      const done = frozen.then(work);
      frozen = done.catch(() => undefined);
      return done;
    },
    [Symbol.asyncDispose]: async () => {
      await stream[Symbol.asyncDispose]();
      await closed.catch(() => undefined);
    },
  };
}

export interface CameraOptions {
  /** Seconds between two snapshots. @default 1 */
  readonly every?: number;
  /** Most snapshots in a time, such as `10/m`: those above it are left out. @default no limit */
  readonly maxRate?: string | number;
  /** Takes a snapshot: called with the state, which does not change before this has resolved. */
  readonly take: (state: ClusterState) => unknown;
  /** Forget what was seen after each snapshot: tasks that have ended, and counts. Workers stay. @default false */
  readonly clearAfter?: boolean;
  /** Seconds between two cleanups. @default 3600 */
  readonly cleanupEvery?: number;
  readonly cleanup?: (state: ClusterState) => unknown;
}

/** Something that happens now and then until it is closed. */
export interface Camera extends AsyncDisposable {
  /** Snapshots so far. */
  readonly taken: number;
}

/** How many a second a rate like `10/m` allows. */
export function ratePerSecond(rate: string | number): number {
  const [, count = '', unit = 's'] = /^(\d+(?:\.\d+)?)(?:\/([smh]))?$/.exec(String(rate)) ?? [];
  const perSecond = Number(count) / ({ s: 1, m: 60, h: 3600 }[unit] ?? 1);
  if (count === '' || !(perSecond > 0))
    throw new ConfigurationError(`'${rate}' is no rate; write a number, or a number a second, minute or hour: 10/m.`);
  return perSecond;
}

/** Takes snapshots of a live state. What a snapshot throws is logged, and the next is taken all the same. */
export function startCamera(live: Pick<LiveState, 'state' | 'freezeWhile'>, options: CameraOptions): Camera {
  const { state } = live;
  const { every = 1, maxRate, take, clearAfter = false, cleanupEvery = 3600, cleanup } = options;
  const gap = maxRate === undefined ? 0 : 1 / ratePerSecond(maxRate);
  let last = Number.NEGATIVE_INFINITY;
  let cleaned = systemClock.monotonic();
  let taken = 0;
  let timer: Timer;
  let isOver = false;
  let round: Promise<void> = Promise.resolve();
  const attempt = async (what: string, work: () => unknown): Promise<void> => {
    try {
      await work();
    } catch (error) {
      log.error('{what} failed: {error}', { what, error });
    }
  };
  const shoot = async (): Promise<void> => {
    const now = systemClock.monotonic();
    if (now - last >= gap * 1000) {
      last = now;
      await live.freezeWhile(async () => {
        await attempt('A snapshot', () => take(state));
        if (!clearAfter) return;
        state.clearTasks();
        state.clearCounts();
      });
      taken++;
    }
    if (now - cleaned < cleanupEvery * 1000) return;
    cleaned = now;
    if (cleanup !== undefined) await attempt('The cleanup of snapshots', () => cleanup(state));
  };
  const next = (): void => {
    timer = after(
      every,
      () => {
        round = shoot().finally(() => {
          if (!isOver) next();
        });
      },
      { ref: true },
    );
  };
  next();
  return {
    get taken() {
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      timer.cancel();
      await round;
    },
  };
}
