// The broker shell on brokers that keep queues and bindings: Redis, the embedded file, memory. What they do not have is refused in words.
import type { Broker, Delivery, ExchangeType, QueueCount, Subscription } from '../../broker/index.ts';
import { ConfigurationError, QueueNotFoundError } from '../../util/index.ts';
import type { ShellCall } from './grammar.ts';
import { type BrokerShell, counted, done, gotAnswer, type ShellAnswer } from './seam.ts';

/** Seconds for a message that is there to come. */
const TAKE_TIMEOUT = 3;
const PUBLISH_TIMEOUT = 10;
const TYPES: readonly ExchangeType[] = ['direct', 'topic', 'fanout'];

interface Held {
  readonly delivery: Delivery;
  readonly subscription: Subscription;
}

class VirtualShell implements BrokerShell {
  readonly url: string;
  readonly #broker: Broker;
  readonly #held = new Map<number, Held>();
  #tags = 0;

  constructor(broker: Broker) {
    this.url = broker.url;
    this.#broker = broker;
  }

  #refuse(what: string, instead: string): never {
    throw new ConfigurationError(`amqp: ${what} is not possible on ${this.#broker.name}: ${instead}`);
  }

  async run({ name, texts, flags, tag, extra }: ShellCall): Promise<ShellAnswer> {
    const { queue = '', exchange = '', routing_key: routingKey = '', type = 'direct', message = '' } = texts;
    switch (name) {
      case 'exchange.declare':
        await this.#declareExchange(exchange, readType(type), flags);
        return { value: { ok: true, stored: false }, lines: ['Here an exchange is kept with its bindings: bind a queue to it.'] };
      case 'exchange.delete':
        return this.#refuse(
          name,
          'an exchange is there as long as queues are bound to it. Delete those, or bind them elsewhere.',
        );
      case 'queue.declare':
        return this.#declareQueue(queue, flags, extra);
      case 'queue.bind':
        await this.#bind(queue, exchange, routingKey, readType(type));
        return done;
      case 'queue.delete':
        return this.#delete(queue, flags);
      case 'queue.purge':
        await this.#count(queue);
        return counted(await this.#broker.purge(queue), 'deleted');
      case 'basic.publish':
        if (flags.immediate === true) this.#refuse('immediate', 'leave it out.');
        await this.#publish(message, exchange, routingKey, flags.mandatory === true);
        return done;
      case 'basic.get':
        return this.#get(queue, flags.no_ack === true);
      case 'basic.ack':
        await this.#settle(tag, 'ack');
        return done;
      case 'basic.reject':
        await this.#settle(tag, flags.requeue === true ? 'requeue' : 'reject');
        return done;
    }
  }

  async #declareExchange(name: string, type: ExchangeType, flags: ShellCall['flags']): Promise<void> {
    const { passive = false, durable = true, auto_delete: autoDelete = false } = flags;
    await this.#broker.declare({ exchanges: [{ name, type, durable, autoDelete, passive }], queues: [], bindings: [] });
  }

  async #look(queue: string): Promise<QueueCount> {
    const count = await this.#broker.count(queue);
    if (count !== undefined) return count;
    // Redis keeps no empty queues: there every queue is there.
    if (this.#broker.name === 'redis') return { ready: 0 };
    throw new QueueNotFoundError(`There is no queue '${queue}'. Make it: queue.declare ${queue}`);
  }

  async #count(queue: string): Promise<number> {
    const { ready, held = 0, parked = 0 } = await this.#look(queue);
    return ready + held + parked;
  }

  async #declareQueue(queue: string, flags: ShellCall['flags'], extra: ShellCall['extra']): Promise<ShellAnswer> {
    const { passive = false, durable = true, auto_delete: autoDelete = false } = flags;
    if (!passive)
      await this.#broker.declare({
        exchanges: [],
        queues: [{ name: queue, durable, autoDelete, arguments: extra }],
        bindings: [],
      });
    const { ready, held, parked } = await this.#look(queue);
    return {
      value: { queue, messages: ready, held: held ?? null, parked: parked ?? null },
      lines: [`queue:${queue} messages:${ready}`],
    };
  }

  /** The type of an exchange is that of what is bound to it, else the one that is given. */
  async #bind(queue: string, exchange: string, routingKey: string, type: ExchangeType): Promise<void> {
    await this.#count(queue);
    const declaration = { name: exchange, type, durable: true };
    await this.#broker
      .declare({ exchanges: [{ ...declaration, passive: true }], queues: [], bindings: [] })
      .catch(() => this.#broker.declare({ exchanges: [declaration], queues: [], bindings: [] }));
    await this.#broker.declare({ exchanges: [], queues: [], bindings: [{ queue, exchange, routingKey }] });
  }

  async #delete(queue: string, flags: ShellCall['flags']): Promise<ShellAnswer> {
    if (flags.if_unused === true) this.#refuse('if_unused', 'nobody counts who takes from a queue. See: lovage status');
    const count = await this.#count(queue);
    if (flags.if_empty === true && count > 0)
      throw new ConfigurationError(`amqp: the queue '${queue}' is not empty: ${count} messages. Nothing was deleted.`);
    await this.#broker.remove(queue);
    return counted(count, 'deleted');
  }

  async #publish(message: string, exchange: string, routingKey: string, mandatory: boolean): Promise<void> {
    if (exchange === '' && mandatory) await this.#count(routingKey);
    await this.#broker.publish(
      [
        {
          ...{ exchange, routingKey, headers: {} },
          properties: { contentType: 'text/plain', contentEncoding: 'utf-8' },
          body: Buffer.from(message),
        },
      ],
      { signal: AbortSignal.timeout(PUBLISH_TIMEOUT * 1000) },
    );
  }

  async #get(queue: string, noAck: boolean): Promise<ShellAnswer> {
    const count = await this.#look(queue);
    if (count.ready === 0) return gotAnswer(undefined, queue);
    if ((await this.#broker.paused([queue])).length > 0)
      throw new ConfigurationError(`amqp: the queue '${queue}' is paused. Look with: lovage queues peek ${queue}`);
    const subscription = await this.#broker.subscribe([queue], { prefetch: 1, node: 'lovage@amqp' });
    const delivery = await first(subscription);
    if (delivery === undefined || noAck) {
      if (delivery !== undefined) await subscription.settle([{ verdict: 'ack', delivery }]);
      await subscription[Symbol.asyncDispose]();
    }
    if (delivery === undefined) return gotAnswer(undefined, queue);
    const tag = ++this.#tags;
    if (!noAck) this.#held.set(tag, { delivery, subscription });
    const { body, exchange, routingKey, redelivered, headers, properties } = delivery;
    const remaining = count.ready - 1;
    return gotAnswer({ body, tag, exchange, routingKey, redelivered, remaining, headers, properties: { ...properties } }, queue);
  }

  async #settle(tag: number, verdict: 'ack' | 'reject' | 'requeue'): Promise<void> {
    const held = this.#held.get(tag);
    if (held === undefined)
      throw new ConfigurationError(`amqp: no message with the tag ${tag} is held here: tags are those of this session.`);
    this.#held.delete(tag);
    const { delivery, subscription } = held;
    const lost = await subscription.settle([
      verdict === 'requeue' ? { verdict, delivery, counted: false } : { verdict, delivery },
    ]);
    await subscription[Symbol.asyncDispose]();
    if (lost.length > 0)
      throw new QueueNotFoundError(`The message with the tag ${tag} was held too long: it is back in its queue.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ subscription }) => subscription[Symbol.asyncDispose]()));
    this.#held.clear();
  }
}

/** The first message, when one comes in time. */
async function first(subscription: Subscription): Promise<Delivery | undefined> {
  const patience = setTimeout(() => void subscription.cancel().catch(() => undefined), TAKE_TIMEOUT * 1000);
  try {
    const { value } = await subscription[Symbol.asyncIterator]().next();
    return value?.[0];
  } finally {
    clearTimeout(patience);
  }
}

function readType(word: string): ExchangeType {
  const type = TYPES.find((known) => known === word);
  if (type === undefined) throw new ConfigurationError(`amqp: '${word}' is no type of exchange: ${TYPES.join(', ')}.`);
  return type;
}

export function virtualShell(broker: Broker): BrokerShell {
  return new VirtualShell(broker);
}
