// The reply queue of this process: declared as Celery declares it, consumed from before the first send until the end.
// RabbitMQ deletes it when its consumer goes, so it is declared again at once when the line was lost.
import {
  type AmqpChannel,
  type AmqpConnection,
  type AmqpDelivery,
  BackendError,
  BrokerConnectionError,
  backoff,
  logger,
  sleep,
} from '../../util/index.ts';

/** Unacknowledged results at most; with a limit a burst does not fill the memory of a busy process. */
const PREFETCH = 1000;
const RECONNECT = { first: 0.05, cap: 5 };

const log = logger('result', 'rpc');

export interface ReplyQueueOptions {
  readonly name: string;
  /** Seconds without a consumer after which RabbitMQ deletes it. */
  readonly expires: number | undefined;
  connect(): Promise<AmqpConnection>;
  readonly receive: (message: AmqpDelivery) => void;
  /** Nothing can be received any more. */
  readonly failed: (error: Error) => void;
}

export class ReplyQueue implements AsyncDisposable {
  readonly #options: ReplyQueueOptions;
  readonly #end = new AbortController();
  #starting: Promise<void> | undefined;
  #connection: AmqpConnection | undefined;

  constructor(options: ReplyQueueOptions) {
    this.#options = options;
  }

  /** Resolves when results can arrive. Another call tries again if the first failed. */
  start(): Promise<void> {
    this.#starting ??= this.#open().catch((error: unknown) => {
      this.#starting = undefined;
      throw new BackendError(`The reply queue "${this.#options.name}" cannot be opened: ${text(error)}`, { cause: error });
    });
    return this.#starting;
  }

  async #open(): Promise<void> {
    if (this.#end.signal.aborted) throw this.#end.signal.reason;
    const connection = await this.#options.connect();
    const release = connection.busy();
    try {
      await this.#consume(await connection.channel());
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    } finally {
      release();
    }
    this.#connection = connection;
    if (this.#end.signal.aborted) await connection[Symbol.asyncDispose]();
    void connection.closed.then(() => this.#reopen());
  }

  async #consume(channel: AmqpChannel): Promise<void> {
    const { name, expires } = this.#options;
    const limits = expires === undefined ? {} : { 'x-expires': Math.round(expires * 1000) };
    await channel.assertQueue(name, { durable: true, autoDelete: true, arguments: limits });
    await channel.prefetch(PREFETCH);
    channel.once('close', () => void this.#connection?.[Symbol.asyncDispose]());
    let last: AmqpDelivery | undefined;
    await channel.consume(
      name,
      (message) => {
        // Null: somebody deleted the queue. A new line declares it again.
        if (message === null) return void this.#connection?.[Symbol.asyncDispose]();
        this.#options.receive(message);
        if (last === undefined) setImmediate(acknowledge);
        last = message;
      },
      { noAck: false },
    );

    /** One frame for all that came in one turn. */
    const acknowledge = (): void => {
      const message = last;
      last = undefined;
      try {
        if (message !== undefined) channel.ack(message, true);
      } catch {
        // The channel is gone: what was not acknowledged comes again, or went with the queue.
      }
    };
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#end;
    for (let retry = 0; !signal.aborted; retry++) {
      try {
        await sleep(backoff(retry, RECONNECT), signal, { ref: false });
        return await this.#open();
      } catch (error) {
        if (signal.aborted) return;
        log.warn('The reply queue is not back yet: {error}', { error });
        if (!(error instanceof BrokerConnectionError) || error.transient) continue;
        this.#starting = undefined;
        return this.#options.failed(
          new BackendError(`The reply queue "${this.#options.name}" is lost: ${text(error)}`, { cause: error }),
        );
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new BackendError('The rpc result backend was closed.'));
    await this.#starting?.catch(() => undefined);
    await this.#connection?.[Symbol.asyncDispose]();
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
