// `app.control`: commands to the workers of an app, Lovage's and Celery's alike.
import type { ControlReply } from '../../protocol/index.ts';
import { revokeByStampsCommand, revokeCommand, type StampQuery } from '../../result/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import type { AskOptions } from './ask.ts';
import { type CustomCommand, CustomCommands } from './commands.ts';
import { byNode, Inspect } from './inspect.ts';
import type { Mailbox } from './mailbox.ts';
import type { ByNode, Ok } from './replies.ts';

/** Options of a command that changes something. */
export interface ControlOptions extends AskOptions {
  /** Wait for the workers' answers and resolve to them. @default false */
  readonly wait?: boolean;
}

export interface TerminateOptions extends ControlOptions {
  /** Name of the signal, for Celery's workers; Lovage's stop the task whatever it is. @default 'SIGTERM' */
  readonly killSignal?: `SIG${string}`;
}

export interface RevokeTaskOptions extends TerminateOptions {
  /** Also stop the task if it runs already. @default false */
  readonly terminate?: boolean;
}

export interface AddConsumerOptions extends ControlOptions {
  readonly exchange?: string;
  /** @default 'direct' */
  readonly exchangeType?: 'direct' | 'topic' | 'fanout';
  readonly routingKey?: string;
}

export interface ControlHost {
  readonly mailbox: Mailbox;
  /** Deletes what waits in the queues of the app; resolves to how many. */
  readonly purge: () => Promise<number>;
}

/** Commands to workers. Every command resolves when the broker has it, or with `wait` to the answers by node. */
export class Control {
  /** The commands that this program adds to its workers. */
  readonly commands: CustomCommands = new CustomCommands();
  readonly #host: ControlHost;

  constructor(host: ControlHost) {
    this.#host = host;
  }

  /** Adds a command to the workers of this app; call it by its name with `broadcast` or `lovage control`. */
  command(name: string, command: CustomCommand): void {
    this.commands.add(name, command);
  }

  /** Questions to all workers, or to some. */
  inspect(options: AskOptions = {}): Inspect {
    return new Inspect((method, args, asked) => this.ask(method, args, asked, true), options);
  }

  /** Any command by its name. */
  async broadcast<Reply = unknown>(
    method: string,
    args: Readonly<Record<string, unknown>> = {},
    options: ControlOptions = {},
  ): Promise<ByNode<Reply>> {
    return byNode(await this.ask(method, args, options, options.wait === true));
  }

  /** Any command by its name, with the answers one by one in the order in which they came. Without `reply` there are none. */
  ask(
    method: string,
    args: Readonly<Record<string, unknown>>,
    { destination, pattern, matcher, timeout = 1, limit, signal, onReply }: AskOptions,
    reply = true,
  ): Promise<readonly ControlReply[]> {
    if (method === '') return Promise.reject(new ConfigurationError('A control command has a name.'));
    const to = { destination, pattern, matcher };
    return this.#host.mailbox.collect({ method, arguments: args, reply, timeout, limit, signal, onReply, ...to });
  }

  /** Which workers answer. */
  async ping(options: AskOptions = {}): Promise<ByNode<{ readonly ok: 'pong' }>> {
    return byNode(await this.ask('ping', {}, options, true));
  }

  /**
   * These tasks shall not run any more; workers that start later know it too, where the result store keeps revokes (docs/backends.md). It
   * counts for the seconds of the setting workerRevokeExpires. With `destination` or `pattern` it counts for those workers alone.
   */
  async revoke(ids: string | readonly string[], options: RevokeTaskOptions = {}): Promise<ByNode<Ok>> {
    const { terminate = false, killSignal = 'SIGTERM' } = options;
    const list = typeof ids === 'string' ? [ids] : ids;
    if (list.length === 0) return {};
    const command = revokeCommand(list, { terminate: terminate && killSignal });
    return this.#send(command.method, command.arguments, options);
  }

  /** Revokes these tasks, and stops those that run. */
  terminate(ids: string | readonly string[], options: TerminateOptions = {}): Promise<ByNode<Ok>> {
    return this.revoke(ids, { ...options, terminate: true });
  }

  /** Every task that has one of these stamps, also those that are sent later, as `revoke` does by id. */
  async revokeByStampedHeaders(stamps: StampQuery, options: RevokeTaskOptions = {}): Promise<ByNode<Ok>> {
    const { terminate = false, killSignal = 'SIGTERM' } = options;
    const command = revokeByStampsCommand(stamps, { terminate: terminate && killSignal });
    return this.#send(command.method, command.arguments, options);
  }

  /** Starts of a task in each worker from now on: `10`, `'10/s'`, `'100/m'`; 0 is no limit. */
  rateLimit(task: string, rate: number | string, options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('rate_limit', { task_name: task, rate_limit: rate }, options);
  }

  /** Seconds that a task may run from now on; a limit that is left out is none. */
  timeLimit(
    task: string,
    limits: { readonly soft?: number; readonly hard?: number },
    options: ControlOptions = {},
  ): Promise<ByNode<Ok>> {
    return this.#send('time_limit', { task_name: task, soft: limits.soft ?? null, hard: limits.hard ?? null }, options);
  }

  /** Workers take from this queue too. */
  addConsumer(queue: string, options: AddConsumerOptions = {}): Promise<ByNode<Ok>> {
    const { exchange = null, exchangeType = 'direct', routingKey = null } = options;
    return this.#send('add_consumer', { queue, exchange, exchange_type: exchangeType, routing_key: routingKey }, options);
  }

  /** Workers no longer take from this queue. */
  cancelConsumer(queue: string, options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('cancel_consumer', { queue }, options);
  }

  poolGrow(slots = 1, options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('pool_grow', { n: slots }, options);
  }

  poolShrink(slots = 1, options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('pool_shrink', { n: slots }, options);
  }

  /** Slots are made anew, with the code as it is now, where the pool has processes or threads (setting workerPoolRestarts). */
  poolRestart(options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('pool_restart', {}, options);
  }

  /** Each worker writes its heap into a file of its machine and answers the name (setting workerHeapSnapshotDir). It stands still meanwhile. */
  heapSnapshot(options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('heap_snapshot', {}, options);
  }

  /** Other bounds for workers that scale their pool. */
  autoscale(max: number, min: number, options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('autoscale', { max, min }, options);
  }

  enableEvents(options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('enable_events', {}, options);
  }

  disableEvents(options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('disable_events', {}, options);
  }

  /** Workers send a heartbeat at once. */
  heartbeat(options: ControlOptions = {}): Promise<ByNode<unknown>> {
    return this.#send('heartbeat', {}, options);
  }

  /** Workers finish what runs and end. */
  shutdown(options: ControlOptions = {}): Promise<ByNode<Ok>> {
    return this.#send('shutdown', {}, options);
  }

  /** Celery's election of one worker for a topic. Lovage's workers answer one; they never begin one. */
  election(id: string, topic: string, action: unknown = null, options: ControlOptions = {}): Promise<ByNode<unknown>> {
    return this.#send('election', { id, topic, action }, options);
  }

  /** Deletes what waits in all queues of the app. Resolves to how many messages. */
  purge(): Promise<number> {
    return this.#host.purge();
  }

  async #send<Reply>(method: string, args: Readonly<Record<string, unknown>>, options: ControlOptions): Promise<ByNode<Reply>> {
    return byNode(await this.ask(method, args, options, options.wait === true));
  }
}
