// Canvases: chain, group, chord, map, starmap, chunks. Comes in: signatures, typed or from the wire. Goes out: plans, which are flat calls
// with fixed ids and the chords to open before them; only the producer sends them.
export { createCanvas } from './canvas.ts';
export { combined } from './combine.ts';
export { type ExplainedEdge, type ExplainedTask, type Explanation, explain, type States, statesOf } from './explain.ts';
export type { LinkRules } from './link.ts';
export { type ChordMaker, type ChunksSignature, chain, chord, chunks, group, map, starmap } from './make.ts';
export { type ExpandOptions, expanded, freeze, type PlanInput, plan } from './plan.ts';
export { reprOf } from './repr.ts';
export { type JoiningBackend, joinable, unlockCall } from './unlock.ts';
export { chunkGroup, kindOf, mergeSignature, signatureOf } from './wire.ts';
