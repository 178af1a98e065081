// How a worker treats the messages of one task before and around its slot, as far as users may decide it: the strategy says what becomes
// of a message, the request hooks follow one that runs. The types are here with the options; consumer/strategies.ts calls them.
import type { Delivery } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { Outcome } from './job.ts';

/**
 * One message in the hands of a strategy, which says once what becomes of it: `run`, `ack` or `reject`, at once or later. Until then
 * the worker holds it, and takes one message more in its place. Saying it twice changes nothing, nor does saying it of a message that
 * is no longer the worker's.
 */
export interface StrategyMessage {
  readonly request: TaskRequest;
  /** As it came: headers, properties, bytes, how often it was started. */
  readonly delivery: Delivery;
  /** Nothing was said of it yet, and the worker still holds it: a stop or a lost line gives back what is undecided. */
  readonly undecided: boolean;
  /** `[args, kwargs, embed]`, or the object of protocol 1. Throws DecodeError, ContentRefusedError. */
  body(): unknown;
  /** Goes on as every message does: revoked, expired, eta, rate limit, slot, result, acknowledgement. */
  run(): void;
  /** It is done with: nothing is stored. */
  ack(): void;
  /** With `requeue` it comes again, here or elsewhere, at once; without it is FAILURE with `reason`, and the message goes to the dead letters. */
  reject(options?: { readonly requeue?: boolean; readonly reason?: unknown }): void;
}

/** The task as a strategy sees it. */
export interface StrategyTask {
  readonly name: string;
  /** Names of the parameters, when known. */
  readonly params: readonly string[] | undefined;
  readonly run: (...args: never[]) => unknown;
}

/** The worker as a strategy sees it. */
export interface StrategyWorker {
  /** Node name. */
  readonly hostname: string;
  isRevoked(id: string): boolean;
}

/** Called with each message of its task. When it throws or rejects, the message is FAILURE and goes to the dead letters. */
export type StrategyHandler = (message: StrategyMessage) => void | Promise<void>;

/** Makes the handler of a task's messages: called once for each worker, with the first message. */
export type Strategy = (task: StrategyTask, worker: StrategyWorker) => StrategyHandler;

/** Told about one request from outside its slot. They only look on: what they throw is logged. */
export interface RequestHooks {
  /** A slot has begun with it. */
  onAccepted?(request: TaskRequest): void;
  onSuccess?(request: TaskRequest, outcome: Outcome): void;
  onRetry?(request: TaskRequest, outcome: Outcome): void;
  /** Also for a slot that was lost. */
  onFailure?(request: TaskRequest, outcome: Outcome): void;
  /** It ended by a time limit; `onFailure` follows. */
  onTimeout?(request: TaskRequest, outcome: Outcome): void;
}
