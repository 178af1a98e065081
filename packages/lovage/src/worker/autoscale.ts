// Autoscaling: as many slots as there is work for, between two bounds. It grows at once and shrinks when nothing had to grow for a
// while. Called when messages come and by a timer (steps/autoscale.ts), and by the control command `autoscale`.
import type { Flow } from '../consumer/index.ts';
import type { Pool } from '../pool/index.ts';
import { type Clock, ConfigurationError, logger } from '../util/index.ts';

const log = logger('worker');

/** Bounds of a pool. */
export interface AutoscaleBounds {
  readonly max: number;
  readonly min: number;
}

export interface AutoscaleOptions extends AutoscaleBounds {
  /** Seconds after the last growth before the pool shrinks. @default 30 */
  readonly keepalive?: number;
}

/** Celery's AUTOSCALE_KEEPALIVE. */
export const AUTOSCALE_KEEPALIVE = 30;

/** Reads `10,3` or `10`; the order does not matter, one number is the upper bound. Throws ConfigurationError. */
export function readAutoscale(text: string): AutoscaleBounds {
  const parts = text.split(',').map((part) => part.trim());
  const numbers = parts.map(Number);
  const [first = Number.NaN, second = 0] = numbers;
  const sound = numbers.length <= 2 && parts.every((part) => /^\d+$/.test(part)) && Math.max(first, second) > 0;
  if (!sound)
    throw new ConfigurationError(
      `'${text}' is no range for autoscaling: write the largest and the smallest number of slots, such as 10,3.`,
    );
  return { max: Math.max(first, second), min: Math.min(first, second) };
}

/** What scales one worker's pool. */
export interface Autoscaler {
  readonly max: number;
  readonly min: number;
  /** Tasks at once when all slots are there. */
  readonly capacity: number;
  /** Compares the work with the slots and resizes the pool. Resolves when that is done. */
  scale(): Promise<void>;
  /** Other bounds, at once: the pool shrinks or grows into them. Resolves to what holds now. Throws ConfigurationError. */
  update(bounds: Partial<AutoscaleBounds>): Promise<AutoscaleBounds>;
  /** As `inspect stats` shows it. */
  info(): { readonly max: number; readonly min: number; readonly current: number; readonly qty: number };
}

export interface Scaled {
  readonly pool: Pool;
  /** Known once the consumer is there. */
  readonly flow: () => Flow | undefined;
  readonly clock: Clock;
}

/** A pool has at least one slot; Celery's lower bound of 0 means that, too. */
const LEAST = 1;

function checked({ max, min }: AutoscaleBounds): AutoscaleBounds {
  const whole = [max, min].every((bound) => Number.isInteger(bound) && bound >= 0);
  if (!whole || max < LEAST || min > max) {
    throw new ConfigurationError(
      `Autoscaling needs whole numbers with 1 ≤ max and 0 ≤ min ≤ max; max ${max} and min ${min} are not.`,
    );
  }
  return { max, min };
}

/** Makes the scaler. The pool is not touched before the first `scale`. */
export function createAutoscaler(options: AutoscaleOptions, { pool, flow, clock }: Scaled): Autoscaler {
  let bounds = checked(options);
  const keepalive = options.keepalive ?? AUTOSCALE_KEEPALIVE;
  let grownAt: number | undefined;
  let work: Promise<unknown> = Promise.resolve();
  const qty = (): number => flow()?.load ?? 0;
  // Bounds count slots, each of which may run several tasks.
  const slots = (): number => Math.ceil(pool.limit / pool.width);

  const resize = async (wanted: number): Promise<void> => {
    const by = wanted - slots();
    if (by === 0) return;
    log.info('Scaling {way} {count} {slots}.', {
      way: by > 0 ? 'up' : 'down',
      count: Math.abs(by),
      slots: Math.abs(by) === 1 ? 'slot' : 'slots',
    });
    await pool.resize(wanted * pool.width);
    flow()?.resized();
  };

  const look = async (): Promise<void> => {
    const wanted = Math.max(LEAST, bounds.min, Math.min(Math.ceil(qty() / pool.width), bounds.max));
    if (wanted > slots()) {
      grownAt = clock.monotonic();
      await resize(wanted);
    } else if (wanted < slots() && grownAt !== undefined && clock.monotonic() - grownAt > keepalive * 1000) {
      await resize(wanted);
    }
  };

  /** One after the other: two that look at once would both grow. */
  const inTurn = <T>(next: () => Promise<T>): Promise<T> => {
    const turn = work.then(next);
    work = turn.catch(() => undefined);
    return turn;
  };

  return {
    get max() {
      return bounds.max;
    },
    get min() {
      return bounds.min;
    },
    get capacity() {
      return bounds.max * pool.width;
    },
    scale: () => {
      // Most messages find slots enough.
      if (qty() <= pool.limit && grownAt === undefined) return Promise.resolve();
      return inTurn(look);
    },
    update: (given) =>
      inTurn(async () => {
        bounds = checked({ ...bounds, ...given });
        const wanted = Math.max(LEAST, bounds.min, Math.min(slots(), bounds.max));
        if (wanted > slots()) grownAt = clock.monotonic();
        await resize(wanted);
        flow()?.resized();
        return bounds;
      }),
    info: () => ({ ...bounds, current: slots(), qty: qty() }),
  };
}
