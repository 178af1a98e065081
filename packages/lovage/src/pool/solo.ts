// One task at a time on the worker's own event loop: for tests and debugging.
import type { Pool } from './seam.ts';
import { LoopPool, type PoolOptions } from './slots.ts';

/** Opens the one slot. */
export function open(options: PoolOptions): Pool {
  return new LoopPool('solo', { ...options, limit: 1 }, false);
}
