// The line of one subscription: a connection and a channel of its own, so that alarms that block publishers do not block acks.
import { type AmqpChannel, type AmqpConnection, BrokerConnectionError } from '../../util/index.ts';
import { explain } from './topology.ts';

export class Line {
  readonly connection: AmqpConnection;
  readonly channel: AmqpChannel;
  readonly #ends = new AbortController();
  #isOpen = true;

  /** `lost` is told why the line is no more; it may be told twice. */
  constructor(connection: AmqpConnection, channel: AmqpChannel, lost: (error: Error) => void) {
    this.connection = connection;
    this.channel = channel;
    let said: unknown;
    channel.on('error', (error: Error) => {
      said ??= error;
    });
    channel.once('close', () => {
      this.#isOpen = false;
      // The connection knows more than its channels; when it lives, the channel was closed for a reason of its own.
      if (connection.isOpen && said !== undefined) lost(explain('The subscription', said));
    });
    void connection.closed.then((error) => {
      this.#isOpen = false;
      lost(error ?? new BrokerConnectionError(`The connection to RabbitMQ at ${connection.url} was closed.`));
    });
  }

  /** Can verdicts still be written? */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Aborts what is under way for the subscription. */
  get signal(): AbortSignal {
    return this.#ends.signal;
  }

  end(reason: Error): void {
    this.#ends.abort(reason);
  }
}
