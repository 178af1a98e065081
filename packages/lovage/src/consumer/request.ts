// One task message while this worker has it: received → held (eta, rate) → ready → running → settling → done.
// A message that comes again while its task is still here is attached to it; the task is never started twice.
import type { Delivery, Subscription } from '../broker/index.ts';
import type { RunOptions } from '../pool/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { Job, RequestHooks, TaskDefinition } from '../task/index.ts';
import { Bag } from '../util/index.ts';
import type { TaskPolicy } from './policy.ts';
import type { Answer } from './verdict.ts';

export type EntryState = 'received' | 'held' | 'ready' | 'running' | 'settling' | 'done';

/**
 * A message and its task, as long as they are ours. A class, as is its job: of literals many of which live when the collector looks, V8
 * makes all others among the old objects, where they keep all that they refer to until the next full collection (bench row
 * redis-drain-events).
 */
export class Entry {
  readonly key: string;
  readonly request: TaskRequest;
  readonly definition: TaskDefinition;
  readonly policy: TaskPolicy;
  readonly job: Job;
  /** The message as it came first. */
  readonly original: Delivery;
  /** As we hold it now; undefined when it was acked early or its line was lost. */
  delivery: Delivery | undefined;
  /** The early ack was given. */
  acked = false;
  state: EntryState = 'received';
  /** Its run, while it runs. */
  run: Run | undefined = undefined;
  /** A number that is up in the store for it: under less nothing of it can be written. */
  number = 0;
  /** Nothing else may run in its process: it may take that along. */
  alone = false;
  /** Who was told that it starts; until it does. */
  noted: Pick<Subscription, 'unstarted'> | undefined;
  /** A shutdown asked the task to stop: its message goes back uncounted. */
  interrupted = false;
  /** Epoch seconds until which it waits here for its eta or its rate. */
  heldUntil: number | undefined = undefined;
  heldFor: 'eta' | 'rate' | undefined = undefined;
  /** Stops waiting for the eta, the rate or the word of a strategy. */
  release: (() => void) | undefined = undefined;
  /** Epoch seconds of the start. */
  startedAt: number | undefined = undefined;
  /** The process that runs it. */
  pid: number | undefined = undefined;
  /** Somebody revoked it while it ran: the signal that was named, or `''`. It ends as REVOKED, whatever it does. */
  terminated: string | undefined = undefined;
  /** Made when there is first something to tell. */
  hooks: RequestHooks | undefined = undefined;

  /** Of a message that was just let in. */
  constructor(
    key: string,
    { request, definition }: { readonly request: TaskRequest; readonly definition: TaskDefinition },
    { delivery, policy }: { readonly delivery: Delivery; readonly policy: TaskPolicy },
  ) {
    this.key = key;
    this.request = request;
    this.definition = definition;
    this.policy = policy;
    this.job = new JobOfEntry(request, delivery.body, policy);
    this.original = delivery;
    this.delivery = delivery;
  }
}

class JobOfEntry implements Job {
  readonly request: TaskRequest;
  readonly body: Uint8Array;
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;

  constructor(request: TaskRequest, body: Uint8Array, policy: TaskPolicy) {
    this.request = request;
    this.body = body;
    this.timeLimit = request.timeLimit ?? policy.timeLimit;
    this.softTimeLimit = request.softTimeLimit ?? policy.softTimeLimit;
  }
}

/** What the pool is told of a started task. Its signal is made when somebody looks at it: most tasks never do. */
export class Run implements RunOptions {
  readonly onStart: NonNullable<RunOptions['onStart']>;
  /** Its message is acknowledged before it begins. */
  readonly announce: boolean;
  readonly returned: RunOptions['returned'];
  #controller: AbortController | undefined;
  #stop: ((reason: Error) => void) | undefined;

  constructor(onStart: NonNullable<RunOptions['onStart']>, announce = false, returned?: RunOptions['returned']) {
    this.onStart = onStart;
    this.announce = announce;
    this.returned = returned;
  }

  follow(stop: (reason: Error) => void): void {
    this.#stop = stop;
    // It was asked to stop while the process that it runs in was started.
    if (this.interrupted) stop(this.signal.reason as Error);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  get interrupted(): boolean {
    return this.#controller?.signal.aborted === true;
  }

  /** Asks the task to stop. */
  abort(reason: Error): void {
    this.#controller ??= new AbortController();
    const first = !this.interrupted;
    this.#controller.abort(reason);
    if (first) this.#stop?.(reason);
  }
}

/** One run of one task: a retry has the same id but is another run, and so has what took its place. */
export function keyOf({ id, retries, replacedTaskNesting }: TaskRequest): string {
  if (retries === 0 && replacedTaskNesting === 0) return id;
  return replacedTaskNesting === 0 ? `${id} ${retries}` : `${id} ${retries} ${replacedTaskNesting}`;
}

/** Keys remembered of runs that are over but whose message may still come back. */
const MAX_FINISHED = 10_000;

/** Every request that a worker has. */
export class Requests {
  readonly #entries = new Bag<Entry>();
  readonly #finished = new Map<string, Answer>();

  get size(): number {
    return this.#entries.size;
  }

  /** How many are in that state. */
  count(state: EntryState): number {
    let count = 0;
    for (const entry of this.#entries) if (entry.state === state) count++;
    return count;
  }

  /** The first of this run: two clients may send one id. Looked for in all, since only messages that come again are asked for. */
  find(key: string): Entry | undefined {
    for (const entry of this.#entries) if (entry.key === key) return entry;
    return undefined;
  }

  add(entry: Entry): void {
    this.#entries.add(entry);
  }

  delete(entry: Entry): void {
    this.#entries.delete(entry);
  }

  /** All that was to be written for this run is written, but its message was lost before the verdict: it is given when it comes again. */
  remember(key: string, answer: Answer): void {
    this.#finished.set(key, answer);
    if (this.#finished.size <= MAX_FINISHED) return;
    for (const oldest of this.#finished.keys()) {
      this.#finished.delete(oldest);
      break;
    }
  }

  /** The verdict owed to a run that was finished here. Answers once. */
  recall(key: string): Answer | undefined {
    const answer = this.#finished.get(key);
    if (answer !== undefined) this.#finished.delete(key);
    return answer;
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#entries[Symbol.iterator]();
  }
}
