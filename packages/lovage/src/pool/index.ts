// Pools: slots in which jobs run. Comes in: a Job. Goes out: its Outcome, whatever the task did.
export type * from './seam.ts';
