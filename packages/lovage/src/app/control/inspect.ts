// Questions to workers: `app.control.inspect().active()`. Each answer is under the name of its node.
import type { ControlReply } from '../../protocol/index.ts';
import { logger } from '../../util/index.ts';
import type { AskOptions } from './ask.ts';
import type { ByNode, QueueInfo, RequestInfo, ScheduledInfo, WorkerStats } from './replies.ts';

const log = logger('app', 'control');

/** Asks and resolves to the answers in the order in which they came. */
export type Ask = (
  method: string,
  args: Readonly<Record<string, unknown>>,
  options: AskOptions,
) => Promise<readonly ControlReply[]>;

/** Answers by node. Two of one name mean two workers of one name: the later answer wins, and a line says so. */
export function byNode<Reply>(replies: readonly ControlReply[]): ByNode<Reply> {
  const merged: Record<string, Reply> = {};
  for (const { node, value } of replies) {
    if (Object.hasOwn(merged, node)) {
      log.warning('Two workers are called {node}: give one of them another name (-n).', { node });
    }
    // What workers answer is checked for its frame only; its content is theirs.
    Object.defineProperty(merged, node, { value: value as Reply, enumerable: true, writable: true, configurable: true });
  }
  return merged;
}

/** Questions to some workers, or to all. */
export class Inspect {
  readonly #ask: Ask;
  readonly #options: AskOptions;

  constructor(ask: Ask, options: AskOptions) {
    this.#ask = ask;
    this.#options = options;
  }

  /** Any question by its name, one of the program's own too. */
  async call<Reply = unknown>(method: string, args: Readonly<Record<string, unknown>> = {}): Promise<ByNode<Reply>> {
    return byNode(await this.#ask(method, args, this.#options));
  }

  ping(): Promise<ByNode<{ readonly ok: 'pong' }>> {
    return this.call('ping');
  }

  /** Tasks that run. `safe`: arguments as texts. */
  active({ safe = false }: { readonly safe?: boolean } = {}): Promise<ByNode<readonly RequestInfo[]>> {
    return this.call('active', safe ? { safe } : {});
  }

  /** Tasks in hand that have not started. */
  reserved(): Promise<ByNode<readonly RequestInfo[]>> {
    return this.call('reserved');
  }

  /** Tasks in hand that wait for their time. */
  scheduled(): Promise<ByNode<readonly ScheduledInfo[]>> {
    return this.call('scheduled');
  }

  /** Ids that must not run. */
  revoked(): Promise<ByNode<readonly string[]>> {
    return this.call('revoked');
  }

  /** Names of tasks, with the options asked for. */
  registered(...options: readonly string[]): Promise<ByNode<readonly string[]>> {
    return this.call('registered', options.length === 0 ? {} : { taskinfoitems: options });
  }

  /** Where these tasks are; nodes that do not have them leave them out. */
  queryTask(ids: string | readonly string[]): Promise<ByNode<Readonly<Record<string, readonly [string, RequestInfo]>>>> {
    return this.call('query_task', { ids: typeof ids === 'string' ? [ids] : ids });
  }

  stats(): Promise<ByNode<WorkerStats>> {
    return this.call('stats');
  }

  activeQueues(): Promise<ByNode<readonly QueueInfo[]>> {
    return this.call('active_queues');
  }

  /** Settings, secrets blotted out. */
  conf({ withDefaults = false }: { readonly withDefaults?: boolean } = {}): Promise<ByNode<Readonly<Record<string, unknown>>>> {
    return this.call('conf', { with_defaults: withDefaults });
  }

  report(): Promise<ByNode<{ readonly ok: string }>> {
    return this.call('report');
  }

  clock(): Promise<ByNode<{ readonly clock: number }>> {
    return this.call('clock');
  }

  /** Memory in use, as `52MB`. */
  memsample(): Promise<ByNode<string | null>> {
    return this.call('memsample');
  }

  /** The last samples of memory. */
  memdump({ samples = 10 }: { readonly samples?: number } = {}): Promise<ByNode<string>> {
    return this.call('memdump', { samples });
  }
}
