// Results: what a task left behind and how to wait for it. Comes in: outcomes to store, ids to wait for. Goes out: values,
// or errors as the other side raised them. Drivers are found by URL scheme in drivers.ts and loaded on first use.
export * from './async-result.ts';
export {
  type BroadcastCommand,
  type Broadcaster,
  type BroadcastReply,
  type RevokeOptions,
  revokeByStampsCommand,
  revokeCommand,
  type StampQuery,
} from './broadcaster.ts';
export { type ChordCodec, isSealedCallback, type MemberEnd, type ReadPart } from './chord-codec.ts';
export type * from './chord-seam.ts';
export { createResultCodec, type EncodeResultOptions, type ResultCodec, type ResultCodecOptions } from './codec.ts';
export { knowsBackend, type OwnBackends, openBackend } from './drivers.ts';
export * from './eager.ts';
export type { GraphNode, GraphOptions, ResultGraph } from './graph.ts';
export * from './group-result.ts';
export type * from './group-seam.ts';
export type { AnyResult, GetOptions, ReadOptions, ResultSource, WaitOptions } from './handle.ts';
export { allowJoinResult, denyJoinResult } from './join.ts';
export type * from './kv.ts';
export { type KeyValueBackendOptions, keyValueBackend, POLL_INTERVAL } from './kv-backend.ts';
export type { ProgressOptions, TaskProgress } from './progress.ts';
export * from './record.ts';
export { ResultSet } from './result-set.ts';
export { parseRevoke, type RevokeStore, type RevokeSubject, revokesOf, revokeText, type StoredRevoke } from './revokes.ts';
export { attemptNumber } from './rules.ts';
export * from './seam.ts';
export { ResultStore, type ResultStoreParts } from './store.ts';
export type { Dependency } from './tree.ts';
