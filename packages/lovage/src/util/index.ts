// Small things without business words: time, ids, waiting, batching, logging, errors. Nothing here knows what a task is.
export * from './amqp-client.ts';
export { UNREADABLE_HEADERS } from './amqp-codec.ts';
export * from './amqp-publisher.ts';
export { type AmqpPulse, createAmqpPulse } from './amqp-pulse.ts';
export * from './backoff.ts';
export { Bag } from './bag.ts';
export * from './batcher.ts';
export { camelCase } from './camel-case.ts';
export * from './clock.ts';
export { Condition } from './condition.ts';
export * from './deadline.ts';
export * from './errors.ts';
export { type GlobPlace, globMatch } from './glob.ts';
export * from './ids.ts';
export { JsonMolds, type Molded, numberAt, textAt } from './json-mold.ts';
export * from './lamport.ts';
export { checkLimit } from './limit.ts';
export * from './logger.ts';
export { createLoopView, type LoopView, speakForLoop } from './loop-view.ts';
export * from './maybe.ts';
export { checkName, nameFault } from './names.ts';
export { ownBytes } from './own-bytes.ts';
export { escaped, quoted } from './quoted.ts';
export * from './reason.ts';
export * from './redact.ts';
export {
  closeChordWrite,
  extendChordWrite,
  joinChordWrite,
  openChordWrite,
  type RedisChordKeys,
  type RedisWrite,
  staleChordsWrite,
} from './redis-chords.ts';
export * from './redis-client.ts';
export { frames } from './redis-command.ts';
export * from './redis-joint.ts';
export { isRefusedLogin } from './redis-open.ts';
export * from './redis-url.ts';
export * from './scope.ts';
export * from './signal.ts';
export { type Durability, isBusy, refuseVersion } from './sqlite-engine.ts';
export * from './sqlite-file.ts';
export { type SqliteLocation, sqliteLocation } from './sqlite-location.ts';
export { holdLock, isLockFree, removeLock } from './sqlite-lock.ts';
export * from './suggest.ts';
export * from './task-ids.ts';
export { uncheckedTls } from './tls-check.ts';
export * from './transport-options.ts';
export { decodeLogin } from './url-part.ts';
export { version } from './version.ts';
