// Tasks: what they are, how they are called and what happens when one runs. Comes in: a function with options, a job for a slot.
// Goes out: a typed handle whose calls go to the Publisher port; an Outcome whose writes the worker does.

export { aftermath, type TaskEnd } from './aftermath.ts';
export { type AgainOptions, signatureFromRequest } from './again.ts';
export { checkArguments } from './arguments.ts';
export { builtInTasks } from './builtin.ts';
export { endChord } from './chord-end.ts';
export * from './context.ts';
export type * from './declare.ts';
export type * from './environment.ts';
export { type ExecuteOptions, execute, executeEnd, followUp, followUpFailure, followUpRevoked } from './execute.ts';
export type * from './flow.ts';
export { derivedId, startSignature } from './follow.ts';
export type * from './handle.ts';
export type * from './handlers.ts';
export { hostOf } from './host.ts';
export type * from './job.ts';
export type { Interruptible } from './limits.ts';
export { exceptionOf } from './meta.ts';
export * from './middleware.ts';
export { checkCallOptions, checkTaskOptions } from './option-names.ts';
export { BASIC_RULES, EXEC_RULES, type OptionRule, type OptionRules, TASK_RULES, wrongValue } from './option-rules.ts';
export type * from './options.ts';
export type * from './port.ts';
export type * from './publisher.ts';
export { isRate, parseRate } from './rate.ts';
export { Registry } from './registry.ts';
export { declareRemote } from './remote.ts';
export { sendCalls, sendPlan } from './send.ts';
export * from './signals.ts';
export {
  type CanvasMaker,
  createSignature,
  hostOfSignature,
  type SignatureFields,
  type SignatureHost,
  signatureFromWire,
} from './signature.ts';
export type * from './stamps.ts';
export * from './states.ts';
export * from './steer.ts';
export type * from './strategy.ts';
export { createTask, declareTask, defineTask, taskOf } from './task.ts';
export { likeSignature, linkList, mergeOptions, readOptions, writeOptions } from './wire-options.ts';
