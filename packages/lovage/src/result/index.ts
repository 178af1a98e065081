// Results: what a task left behind and how to wait for it. Comes in: outcomes to store, ids to wait for. Goes out: values,
// or errors as the other side raised them. Drivers are found by URL scheme in drivers.ts and loaded on first use.
export * from './async-result.ts';
export type * from './chord-seam.ts';
export { createResultCodec, type EncodeResultOptions, type ResultCodec, type ResultCodecOptions } from './codec.ts';
export { openBackend } from './drivers.ts';
export * from './eager.ts';
export { allowJoinResult } from './join.ts';
export * from './record.ts';
export { attemptNumber } from './rules.ts';
export * from './seam.ts';
export { ResultStore } from './store.ts';
