// One renewal of one lease, which the keeper's thread and, in its place, the main loop do alike.
import type { RedisLine } from '../../util/index.ts';
import { RENEW } from './scripts.ts';

/** The keys of one holder: its lease, what it holds, and those that tell publishers which queues it serves. */
export interface KeptKeys {
  readonly lease: string;
  readonly held: string;
  readonly serves: readonly string[];
}

/** How long a lease lasts, and Celery's index, whose scores are kept fresh ('' without). */
export interface RenewalTerms {
  /** Milliseconds. */
  readonly leaseMs: number;
  readonly unackedIndex: string;
}

/** Renews it; false when it had ended. */
export async function renewLease(line: RedisLine, { leaseMs, unackedIndex }: RenewalTerms, keys: KeptKeys): Promise<boolean> {
  return Number(await line.script(RENEW, [keys.lease, keys.held, ...keys.serves], [leaseMs, unackedIndex])) === 1;
}
