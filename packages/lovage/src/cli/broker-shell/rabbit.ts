// The broker shell on RabbitMQ: one channel for as long as it bears it. A refusal closes the channel, and what was held goes back.
import { type BrokerOptions, openBroker } from '../../broker/index.ts';
import {
  type AmqpConfirmChannel,
  type AmqpConnection,
  BrokerError,
  ConfigurationError,
  connectAmqp,
  QueueNotFoundError,
  redactUrl,
} from '../../util/index.ts';
import type { ShellCall } from './grammar.ts';
import { type BrokerShell, counted, done, gotAnswer, type ShellAnswer } from './seam.ts';

const TYPES = ['direct', 'topic', 'fanout', 'headers'];

class RabbitShell implements BrokerShell {
  readonly url: string;
  readonly #options: BrokerOptions;
  #connection: AmqpConnection | undefined;
  #channel: AmqpConfirmChannel | undefined;
  readonly #held = new Set<number>();

  constructor(options: BrokerOptions) {
    this.url = redactUrl(options.url);
    this.#options = options;
  }

  async #open(): Promise<AmqpConfirmChannel> {
    if (this.#connection?.isOpen !== true) {
      this.#channel = undefined;
      const { url, connectTimeout, heartbeat, tls, appName } = this.#options;
      this.#connection = await connectAmqp({ url, connectTimeout, heartbeat, tls, name: `lovage ${appName} amqp` });
      // A prompt may stand still for hours: nobody waits for the line, and the line keeps nobody.
      void this.#connection.closed.then(() => this.#forget());
    }
    if (this.#channel === undefined) {
      this.#channel = await this.#connection.confirmChannel();
      const { on } = this.#channel;
      on.call(this.#channel, 'error', () => undefined);
      on.call(this.#channel, 'close', () => this.#forget());
    }
    return this.#channel;
  }

  #forget(): void {
    this.#channel = undefined;
    this.#held.clear();
  }

  async run(call: ShellCall): Promise<ShellAnswer> {
    const channel = await this.#open();
    const release = this.#connection?.busy();
    try {
      return await this.#perform(channel, call);
    } catch (error) {
      if (error instanceof BrokerError || error instanceof ConfigurationError) throw error;
      // The channel is closed by a refusal, and the event that says so may come later.
      this.#forget();
      throw new BrokerError(`RabbitMQ refused ${call.name}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    } finally {
      release?.();
    }
  }

  async #perform(channel: AmqpConfirmChannel, { name, texts, flags, tag, extra }: ShellCall): Promise<ShellAnswer> {
    const { queue = '', exchange = '', routing_key: routingKey = '', type = '', message = '' } = texts;
    switch (name) {
      case 'exchange.declare':
        if (flags.passive === true) await channel.checkExchange(exchange);
        else {
          if (!TYPES.includes(type)) throw new ConfigurationError(`amqp: '${type}' is no type of exchange: ${TYPES.join(', ')}.`);
          await channel.assertExchange(exchange, type, {
            durable: flags.durable === true,
            autoDelete: flags.auto_delete === true,
          });
        }
        return done;
      case 'exchange.delete':
        await channel.deleteExchange(exchange, { ifUnused: flags.if_unused === true });
        return done;
      case 'queue.declare': {
        if (flags.passive !== true) {
          const { durable = true, auto_delete: autoDelete = false } = flags;
          await channel.assertQueue(queue, { durable, autoDelete, arguments: extra });
        }
        const { messageCount: messages, consumerCount: consumers } = await channel.checkQueue(queue);
        return { value: { queue, messages, consumers }, lines: [`queue:${queue} messages:${messages} consumers:${consumers}`] };
      }
      case 'queue.bind':
        await channel.bindQueue(queue, exchange, routingKey);
        return done;
      case 'queue.delete': {
        const { messageCount } = await channel.deleteQueue(queue, {
          ifUnused: flags.if_unused === true,
          ifEmpty: flags.if_empty === true,
        });
        // What is delayed for it goes, too.
        await using broker = await openBroker(this.#options);
        await broker.remove(queue);
        return counted(messageCount, 'deleted');
      }
      case 'queue.purge':
        return counted((await channel.purgeQueue(queue)).messageCount, 'deleted');
      case 'basic.publish':
        if (flags.immediate === true) throw new ConfigurationError('amqp: RabbitMQ has no immediate since its version 3.');
        await publish(channel, { message, exchange, routingKey, mandatory: flags.mandatory === true });
        return done;
      case 'basic.get':
        return this.#get(channel, queue, flags.no_ack === true);
      case 'basic.ack':
        channel.ack(this.#take(tag));
        return this.#settled(channel);
      case 'basic.reject':
        channel.reject(this.#take(tag), flags.requeue === true);
        return this.#settled(channel);
    }
  }

  async #get(channel: AmqpConfirmChannel, queue: string, noAck: boolean): Promise<ShellAnswer> {
    const message = await channel.get(queue, { noAck });
    if (message === false) return gotAnswer(undefined, queue);
    const { deliveryTag: tag, exchange, routingKey, redelivered, messageCount: remaining } = message.fields;
    if (!noAck) this.#held.add(tag);
    const { headers = {}, ...properties } = message.properties;
    return gotAnswer({ body: message.content, tag, exchange, routingKey, redelivered, remaining, headers, properties }, queue);
  }

  /** RabbitMQ closes the channel over a tag that it does not know. */
  #take(deliveryTag: number): { readonly fields: { readonly deliveryTag: number } } {
    if (!this.#held.delete(deliveryTag))
      throw new ConfigurationError(`amqp: no message with the tag ${deliveryTag} is held here: tags are those of this session.`);
    return { fields: { deliveryTag } };
  }

  /** An ack has no answer: whatever is answered after it proves that it was read. */
  async #settled(channel: AmqpConfirmChannel): Promise<ShellAnswer> {
    await channel.prefetch(0);
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.[Symbol.asyncDispose]();
  }
}

interface Sent {
  readonly message: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly mandatory: boolean;
}

async function publish(channel: AmqpConfirmChannel, { message, exchange, routingKey, mandatory }: Sent): Promise<void> {
  let isReturned = false;
  const returned = (): void => {
    isReturned = true;
  };
  channel.once('return', returned);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const closed = (error: Error | undefined): void => reject(error ?? new Error('the channel was closed'));
  channel.once('error', closed);
  channel.publish(
    exchange,
    routingKey,
    Buffer.from(message),
    { mandatory, contentType: 'text/plain', contentEncoding: 'utf-8', deliveryMode: 2 },
    (error) => (error === null ? resolve() : reject(error)),
  );
  try {
    await promise;
  } finally {
    channel.off('return', returned);
    channel.off('error', closed);
  }
  if (isReturned)
    throw new QueueNotFoundError(
      `No queue takes the routing key '${routingKey}' of the exchange '${exchange}': RabbitMQ sent it back.`,
    );
}

export function rabbitShell(options: BrokerOptions): BrokerShell {
  return new RabbitShell(options);
}
