// What the body of an attempt is given: its context, and its place as the current task.
import type { AsyncResult } from '../result/index.ts';
import { ConfigurationError, logger } from '../util/index.ts';
import { chordMember, sendMember } from './add-to-chord.ts';
import { type Attempt, storeOptions } from './attempt.ts';
import type { CurrentRequest, CurrentTask, LazyMember, Progress, RetryOptions, TaskContext } from './context.ts';
import { metaOf } from './meta.ts';
import type { SignatureLike } from './options.ts';
import { overheard, ProgressReporter } from './progress.ts';
import { planRetry } from './retry.ts';
import { Ignore, Reject, Replaced, type Retry } from './steer.ts';
import { likeSignature } from './wire-options.ts';

class AttemptContext implements TaskContext {
  readonly #attempt: Attempt;
  /** How many members it added to its chord. */
  #added = 0;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  get name(): string {
    return this.#attempt.definition.name;
  }

  get request(): CurrentRequest {
    return this.#attempt.request;
  }

  get signal(): AbortSignal {
    return this.#attempt.limits.signal;
  }

  get log(): ReturnType<typeof logger> {
    const log = logger('task').with({ task: this.name, id: this.request.id });
    const { reporter } = this.#attempt;
    return reporter === undefined ? log : overheard(log, (line) => reporter.line(line));
  }

  retry(options: RetryOptions & { readonly throw: false }): Retry;
  retry(options?: RetryOptions): never;
  retry(options: RetryOptions = {}): Retry {
    const retry = planRetry(this.#attempt, options);
    if (options.throw !== false) throw retry;
    this.#attempt.retries.push(retry.call);
    return retry;
  }

  replace(signature: SignatureLike): never {
    throw new Replaced(signature);
  }

  addToChord<Result>(signature: SignatureLike, options: { readonly lazy: true }): Promise<LazyMember<Result>>;
  addToChord<Result>(signature: SignatureLike, options?: { readonly lazy?: false }): Promise<AsyncResult<Result>>;
  async addToChord(
    signature: SignatureLike,
    options: { readonly lazy?: boolean } = {},
  ): Promise<LazyMember | AsyncResult<unknown>> {
    const member = chordMember(this.#attempt, signature, this.#added++);
    const { results } = this.#attempt.environment;
    await results.extendChord(member.groupId, [member.id]);
    const delay = async (): Promise<AsyncResult<unknown>> => {
      await sendMember(this.#attempt, member);
      return results.result(member.id);
    };
    return options.lazy === true ? { ...likeSignature(member.signature), delay } : delay();
  }

  ignore(reason?: string): never {
    throw new Ignore(reason);
  }

  reject(reason?: unknown, options?: { readonly requeue?: boolean }): never {
    throw new Reject(reason, options);
  }

  async updateState(state: string, meta?: unknown): Promise<void> {
    if (!/^[A-Z][A-Z0-9_]*$/.test(state)) {
      throw new ConfigurationError(`'${state}' is not a state of a task; states are written in capitals, such as 'PROGRESS'.`);
    }
    const { storesStates, environment } = this.#attempt;
    if (!storesStates) return;
    const record = metaOf(this.#attempt, { state, result: meta });
    await environment.store([environment.results.encode(record, storeOptions(this.#attempt.request))]);
  }

  progress(first: number | Progress, total?: number, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const meta = typeof first === 'number' ? { current: first, ...(total === undefined ? {} : { total }), ...more } : first;
    const attempt = this.#attempt;
    attempt.reporter ??= new ProgressReporter((newest) => this.updateState('PROGRESS', newest));
    return attempt.reporter.report(meta);
  }

  sendEvent(type: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (!/^[a-z]\w*(-\w+)+$/.test(type)) {
      throw new ConfigurationError(`'${type}' is not a type of an event; types are words with dashes, such as 'task-progress'.`);
    }
    this.#attempt.environment.sendEvent?.(type, { uuid: this.request.id, ...fields });
  }

  throwIfAborted(): void {
    this.#attempt.limits.check();
    this.signal.throwIfAborted();
  }
}

class AttemptTask implements CurrentTask {
  readonly #attempt: Attempt;
  #context: TaskContext | undefined;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  get name(): string {
    return this.#attempt.definition.name;
  }

  get request(): CurrentRequest {
    return this.#attempt.request;
  }

  get context(): TaskContext {
    this.#context ??= new AttemptContext(this.#attempt);
    return this.#context;
  }

  get children(): CurrentTask['children'] {
    return this.#attempt.children;
  }

  get trail(): boolean {
    return this.#attempt.options.trail ?? true;
  }
}

/** The attempt as the calls inside its body see it. */
export function taskOf(attempt: Attempt): CurrentTask {
  return new AttemptTask(attempt);
}
