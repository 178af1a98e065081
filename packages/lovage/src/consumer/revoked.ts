// What must not run: ids, and values of stamps. Bounded in number and in time, oldest first, so that it cannot grow without end.
import { saferepr, type TaskRequest } from '../protocol/index.ts';
import { type Clock, systemClock } from '../util/index.ts';

/** How much is kept. */
export interface RevokedLimits {
  /** Celery's CELERY_WORKER_REVOKES_MAX. */
  readonly max: number;
  /** Seconds. Celery's CELERY_WORKER_REVOKE_EXPIRES is three hours: whatever is due later runs there. */
  readonly seconds: number;
}

const DEFAULTS: RevokedLimits = { max: 50_000, seconds: 30 * 86_400 };

/** A revoke by stamp: tasks whose stamp `header` has this value. */
export interface RevokedStamp {
  readonly header: string;
  readonly value: string;
}

/** What a revoke goes by. */
export type Revocable = Pick<TaskRequest, 'stampedHeaders' | 'stamps'> & { readonly id: string | undefined };

/** How one is kept. */
export interface Keeping {
  /** Epoch seconds. @default now and the lifetime */
  readonly until?: number | undefined;
  /** Said to this worker and not to all: it is for nobody else to know. @default false */
  readonly own?: boolean;
}

/** One that still counts. */
export interface Kept {
  readonly until: number;
  readonly own: boolean;
}

/** Texts that are forgotten after their time. */
class Expiring {
  readonly #kept = new Map<string, Kept>();
  readonly #limits: RevokedLimits;
  readonly #clock: Clock;

  constructor(limits: RevokedLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  has(text: string): boolean {
    return this.#find(text) !== undefined;
  }

  /** Answers whether it is news. What is known counts as long and as widely as the most that was said of it. */
  add(text: string, { until = this.#clock.now() + this.#limits.seconds, own = false }: Keeping): boolean {
    const known = this.#find(text);
    this.#kept.delete(text);
    this.#kept.set(text, known === undefined ? { until, own } : { until: Math.max(until, known.until), own: own && known.own });
    if (this.#kept.size > this.#limits.max) {
      const [oldest = text] = this.#kept.keys();
      this.#kept.delete(oldest);
    }
    return known === undefined;
  }

  /** What still counts, the oldest first. */
  entries(): readonly (readonly [string, Kept])[] {
    const now = this.#clock.now();
    for (const [text, { until }] of this.#kept) if (until <= now) this.#kept.delete(text);
    return [...this.#kept];
  }

  #find(text: string): Kept | undefined {
    const kept = this.#kept.get(text);
    if (kept === undefined || kept.until > this.#clock.now()) return kept;
    this.#kept.delete(text);
    return undefined;
  }
}

const stampKey = ({ header, value }: RevokedStamp): string => JSON.stringify([header, value]);

/** The revokes that a worker knows of. */
export class Revoked {
  readonly limits: RevokedLimits;
  readonly #clock: Clock;
  readonly #ids: Expiring;
  readonly #stamps: Expiring;

  constructor(limits: Partial<RevokedLimits> = {}, clock: Clock = systemClock) {
    this.limits = { ...DEFAULTS, ...limits };
    this.#clock = clock;
    this.#ids = new Expiring(this.limits, clock);
    this.#stamps = new Expiring(this.limits, clock);
  }

  get size(): number {
    return this.#ids.size + this.#stamps.size;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  hasStamp(stamp: RevokedStamp): boolean {
    return this.#stamps.has(stampKey(stamp));
  }

  /** Answers whether it is news. */
  add(id: string, keeping: Keeping = {}): boolean {
    return this.#ids.add(id, keeping);
  }

  /** Answers whether it is news. */
  addStamp(stamp: RevokedStamp, keeping: Keeping = {}): boolean {
    return this.#stamps.add(stampKey(stamp), keeping);
  }

  /** Must this not run: by its id, or by any of its stamps? */
  matches(task: Revocable): boolean {
    if (task.id !== undefined && this.#ids.has(task.id)) return true;
    if (this.#stamps.size === 0 || task.stampedHeaders === undefined) return false;
    return stampsOf(task).some((stamp) => this.hasStamp(stamp));
  }

  /** Ids, the oldest first. */
  ids(): readonly string[] {
    return this.#ids.entries().map(([id]) => id);
  }

  /** Those of them that other workers may know, with the seconds for which they count yet. */
  sharedIds(): readonly (readonly [id: string, left: number])[] {
    return this.#ids.entries().flatMap(([id, kept]) => (kept.own ? [] : [[id, this.#left(kept)] as const]));
  }

  sharedStamps(): readonly (readonly [stamp: RevokedStamp, left: number])[] {
    return this.stampEntries().flatMap(([stamp, kept]) => (kept.own ? [] : [[stamp, this.#left(kept)] as const]));
  }

  #left({ until }: Kept): number {
    return Math.ceil(until - this.#clock.now());
  }

  idEntries(): readonly (readonly [string, Kept])[] {
    return this.#ids.entries();
  }

  stampEntries(): readonly (readonly [RevokedStamp, Kept])[] {
    return this.#stamps.entries().map(([key, kept]) => {
      const [header = '', value = ''] = JSON.parse(key) as readonly string[];
      return [{ header, value }, kept];
    });
  }
}

/** Of any value that a message may bring: an object says nothing of itself, and what it calls its `toString` need be no function. */
function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? saferepr(value) : String(value);
}

/** The stamps of a task, each value by itself, as texts: a command line knows no others. */
export function stampsOf({ stampedHeaders = [], stamps }: Pick<Revocable, 'stampedHeaders' | 'stamps'>): readonly RevokedStamp[] {
  return stampedHeaders.flatMap((header) => {
    const value = Object.hasOwn(stamps, header) ? stamps[header] : undefined;
    const values = Array.isArray(value) ? value : value === undefined ? [] : [value];
    return values.map((one) => ({ header, value: textOf(one) }));
  });
}
