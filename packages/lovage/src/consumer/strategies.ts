// The way of a message whose task has a strategy of its own: what the strategy says is carried out here, all others go straight to the
// gates. Nothing that a strategy does, or fails to do, can hurt the worker: it holds the message until then, and gives it back at the end.
import {
  type Outcome,
  Reject,
  type RequestHooks,
  type Strategy,
  type StrategyHandler,
  type StrategyMessage,
  type StrategyWorker,
  type TaskDefinition,
} from '../task/index.ts';
import { logger } from '../util/index.ts';
import type { Ends } from './ends.ts';
import { ownerOfRequest } from './intake.ts';
import type { WorkerApp } from './port.ts';
import type { Entry, Requests } from './request.ts';
import type { Revoked } from './revoked.ts';

const log = logger('consumer');

export interface StrategiesOptions {
  readonly app: WorkerApp;
  readonly hostname: string;
  /** Ids that must not run. */
  readonly revoked: Pick<Revoked, 'has'>;
  readonly requests: Requests;
  readonly ends: Ends;
  /** The gates, for what may run. */
  readonly admit: (entry: Entry) => void;
  /** Called when something was decided after its time. */
  readonly changed: () => void;
}

/** What a strategy says of a message. */
type Word =
  | { readonly kind: 'run' }
  | { readonly kind: 'ack' }
  | { readonly kind: 'requeue' }
  | { readonly kind: 'reject'; readonly reason: Error; readonly dead: 'rejected' | 'failed' };

/** The strategies of a worker's tasks. */
export class Strategies {
  readonly #options: StrategiesOptions;
  readonly #worker: StrategyWorker;
  readonly #handlers = new WeakMap<TaskDefinition, StrategyHandler>();
  #held = 0;

  constructor(options: StrategiesOptions) {
    this.#options = options;
    const { hostname, revoked } = options;
    this.#worker = { hostname, isRevoked: (id) => revoked.has(id) };
  }

  /** How many messages are undecided. */
  get held(): number {
    return this.#held;
  }

  /** Hands an entry to the strategy of its task, or to the gates. */
  admit(entry: Entry): void {
    const { strategy } = entry.policy;
    if (strategy === undefined) this.#options.admit(entry);
    else this.#ask(entry, strategy);
  }

  #ask(entry: Entry, strategy: Strategy): void {
    const failed = (error: unknown): void => this.#failed(entry, error);
    try {
      const answer = this.#handler(entry.definition, strategy)(this.#message(entry));
      if (answer instanceof Promise) answer.catch(failed);
    } catch (error) {
      failed(error);
    }
    if (isUndecided(entry)) this.#hold(entry);
  }

  #handler(definition: TaskDefinition, strategy: Strategy): StrategyHandler {
    const known = this.#handlers.get(definition);
    if (known !== undefined) return known;
    const made = strategy(definition, this.#worker);
    this.#handlers.set(definition, made);
    return made;
  }

  #message(entry: Entry): StrategyMessage {
    const { request, original } = entry;
    const say = (word: Word): void => this.#say(entry, word);
    return {
      request,
      delivery: original,
      get undecided() {
        return isUndecided(entry);
      },
      body: () => this.#options.app.decodeBody(original),
      run: () => say({ kind: 'run' }),
      ack: () => say({ kind: 'ack' }),
      reject: ({ requeue = false, reason } = {}) => {
        const why = reason ?? `The strategy of the task '${request.task}' rejected it.`;
        say(requeue ? { kind: 'requeue' } : { kind: 'reject', reason: new Reject(why), dead: 'rejected' });
      },
    };
  }

  #hold(entry: Entry): void {
    this.#held++;
    entry.release = () => {
      entry.release = undefined;
      this.#held--;
    };
  }

  #failed(entry: Entry, error: unknown): void {
    const { task, id } = entry.request;
    if (!isUndecided(entry)) {
      log.error('The strategy of the task {task} failed after it had decided on {id}: {error}', { task, id, error });
      return;
    }
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#say(entry, { kind: 'reject', reason, dead: 'failed' });
  }

  #say(entry: Entry, word: Word): void {
    const { request, policy, delivery } = entry;
    if (!isUndecided(entry) || delivery === undefined) {
      log.debug('Nothing is left to decide about {id}.', { id: request.id });
      return;
    }
    const { admit, ends, requests, changed } = this.#options;
    const late = entry.release !== undefined;
    entry.release?.();
    if (word.kind === 'run') admit(entry);
    else if (word.kind === 'reject') {
      requests.delete(entry);
      entry.state = 'done';
      const owner = (request.ignoreResult ?? policy.ignoreResult) ? undefined : ownerOfRequest(request);
      ends.unusable(delivery, { reason: word.dead, error: word.reason, owner }, request);
    } else {
      entry.state = 'settling';
      ends.end(entry, word.kind === 'ack' ? { verdict: 'ack' } : { verdict: 'requeue', counted: false }, {
        results: [],
        next: [],
      });
    }
    if (late) changed();
  }
}

/** Ours, and nothing was said of it. */
function isUndecided({ state, delivery }: Entry): boolean {
  return state === 'received' && delivery !== undefined;
}

/** Tells a hook of a request; what it throws is logged. */
export function tellHook(entry: Entry, tell: (hooks: RequestHooks) => void): void {
  const { requestFactory } = entry.policy;
  if (requestFactory === undefined) return;
  try {
    entry.hooks ??= requestFactory(entry.request, entry.definition);
    tell(entry.hooks);
  } catch (error) {
    const { task, id } = entry.request;
    log.error('A request hook of the task {task} failed for {id}: {error}', { task, id, error });
  }
}

/** Tells the hooks of a request how it ended. A task that was ignored, rejected or revoked has none. */
export function tellOutcome(entry: Entry, outcome: Outcome): void {
  const { request } = entry;
  if (outcome.state === 'SUCCESS') tellHook(entry, (hooks) => hooks.onSuccess?.(request, outcome));
  if (outcome.state === 'RETRY') tellHook(entry, (hooks) => hooks.onRetry?.(request, outcome));
  if (outcome.state !== 'FAILURE' && outcome.state !== 'LOST') return;
  if (outcome.error?.timedOut === true) tellHook(entry, (hooks) => hooks.onTimeout?.(request, outcome));
  tellHook(entry, (hooks) => hooks.onFailure?.(request, outcome));
}
