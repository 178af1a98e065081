// Pools: slots in which jobs run. Comes in: a Job. Goes out: its Outcome, whatever the task did.
export { openPool, type PoolRequest, poolNames } from './drivers.ts';
export type * from './seam.ts';
export type { EndOutside, Execute, PoolOptions } from './slots.ts';
