// The default pool: many tasks at once on the worker's own event loop. Good for tasks that wait for input and output.
import type { Pool } from './seam.ts';
import { LoopPool, type PoolOptions } from './slots.ts';

/** Opens `limit` slots on this event loop. */
export function open(options: PoolOptions): Pool {
  return new LoopPool('async', options, true);
}
