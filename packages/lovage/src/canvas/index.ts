// Canvases: chain, group, chord, map, starmap, chunks. Comes in: signatures, typed or from the wire. Goes out: plans, which are flat calls
// with fixed ids and the chords to open before them; only the producer sends them.
export { combined } from './combine.ts';
export { flattened, type LinkRules } from './link.ts';
export { expanded, type ExpandOptions, freeze, plan, type PlanInput } from './plan.ts';
export { joinable, type JoiningBackend } from './unlock.ts';
export { chunkGroup, kindOf, mergeSignature, signatureOf } from './wire.ts';
