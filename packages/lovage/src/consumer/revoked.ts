// What must not run: ids, and values of stamps. Bounded in number and in time, oldest first, so that it cannot grow without end.
import type { TaskRequest } from '../protocol/index.ts';
import { type Clock, systemClock } from '../util/index.ts';

/** How much is kept. */
export interface RevokedLimits {
  /** Celery's CELERY_WORKER_REVOKES_MAX. */
  readonly max: number;
  /** Seconds; Celery's CELERY_WORKER_REVOKE_EXPIRES. */
  readonly seconds: number;
}

const DEFAULTS: RevokedLimits = { max: 50_000, seconds: 10_800 };

/** A revoke by stamp: tasks whose stamp `header` has this value. */
export interface RevokedStamp {
  readonly header: string;
  readonly value: string;
}

/** Texts that are forgotten after their time. */
class Expiring {
  readonly #until = new Map<string, number>();
  readonly #max: () => number;
  readonly #clock: Clock;

  constructor(max: () => number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get size(): number {
    return this.#until.size;
  }

  has(text: string): boolean {
    const until = this.#until.get(text);
    if (until === undefined) return false;
    if (until > this.#clock.now()) return true;
    this.#until.delete(text);
    return false;
  }

  add(text: string, until: number): void {
    this.#until.delete(text);
    this.#until.set(text, until);
    if (this.#until.size <= this.#max()) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      break;
    }
  }

  /** What still counts, with the time until which it does. */
  entries(): readonly (readonly [string, number])[] {
    const now = this.#clock.now();
    for (const [text, until] of this.#until) if (until <= now) this.#until.delete(text);
    return [...this.#until];
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
    const max = (): number => this.limits.max;
    this.#ids = new Expiring(max, clock);
    this.#stamps = new Expiring(max, clock);
  }

  get size(): number {
    return this.#ids.size + this.#stamps.size;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** `until`: epoch seconds. @default now and the lifetime */
  add(id: string, until: number = this.#clock.now() + this.limits.seconds): void {
    this.#ids.add(id, until);
  }

  addStamp(stamp: RevokedStamp, until: number = this.#clock.now() + this.limits.seconds): void {
    this.#stamps.add(stampKey(stamp), until);
  }

  /** Must this not run: by its id, or by any of its stamps? */
  matches(request: TaskRequest): boolean {
    if (this.#ids.has(request.id)) return true;
    if (this.#stamps.size === 0 || request.stampedHeaders === undefined) return false;
    return stampsOf(request).some((stamp) => this.#stamps.has(stampKey(stamp)));
  }

  /** Ids, the oldest first. */
  ids(): readonly string[] {
    return this.#ids.entries().map(([id]) => id);
  }

  /** Ids and the times until which they count. */
  idEntries(): readonly (readonly [string, number])[] {
    return this.#ids.entries();
  }

  stampEntries(): readonly (readonly [RevokedStamp, number])[] {
    return this.#stamps.entries().map(([key, until]) => {
      const [header = '', value = ''] = JSON.parse(key) as readonly string[];
      return [{ header, value }, until];
    });
  }
}

/** The stamps of a request, each value by itself, as texts: a command line knows no others. */
export function stampsOf({ stampedHeaders = [], stamps }: TaskRequest): readonly RevokedStamp[] {
  return stampedHeaders.flatMap((header) => {
    const value = Object.hasOwn(stamps, header) ? stamps[header] : undefined;
    const values = Array.isArray(value) ? value : value === undefined ? [] : [value];
    return values.map((one) => ({ header, value: String(one) }));
  });
}
