// Declaring on RabbitMQ, exactly as asked: one refusal closes the channel, so the next thing is declared on a new one.
// Keeps in mind what was declared, for whoever has to declare it again on another connection.
import {
  type AmqpChannel,
  type AmqpConnection,
  BrokerConnectionError,
  BrokerError,
  QueueNotFoundError,
  TopologyMismatchError,
} from '../../util/index.ts';
import { notThere } from '../declarations.ts';
import type { BindingDeclaration, ExchangeDeclaration, ExchangeType, QueueDeclaration, Topology } from '../seam.ts';

const REFUSED = 403;
const NOT_FOUND = 404;
const LOCKED = 405;
const MISMATCH = 406;

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** What RabbitMQ's refusal of `what` means. */
export function explain(what: string, error: unknown): Error {
  if (error instanceof BrokerError) return error;
  const said = error instanceof Error ? error.message : String(error);
  switch (codeOf(error)) {
    case MISMATCH:
      return new TopologyMismatchError(
        `${what} exists with other arguments. Declare it as it is, or delete it. RabbitMQ says: ${said}`,
        { cause: error },
      );
    case NOT_FOUND:
      return new QueueNotFoundError(`${what} needs something that is not there. RabbitMQ says: ${said}`, { cause: error });
    case LOCKED:
      return new BrokerError(`${what} belongs to another connection (it is exclusive). RabbitMQ says: ${said}`, { cause: error });
    case REFUSED:
      return new BrokerError(`${what} is not allowed to this user. RabbitMQ says: ${said}`, { cause: error });
    default:
      return new BrokerConnectionError(`${what} could not be reached on RabbitMQ: ${said}`, { cause: error });
  }
}

/** Runs steps on one channel, on a new one after each refusal. */
export async function onChannel<Out>(connection: AmqpConnection, steps: (run: Run) => Promise<Out>): Promise<Out> {
  const release = connection.busy();
  let channel: AmqpChannel | undefined;
  try {
    return await steps(async (what, step) => {
      try {
        channel ??= await connection.channel();
        return await step(channel);
      } catch (error) {
        channel = undefined;
        throw explain(what, error);
      }
    });
  } finally {
    await channel?.close().catch(() => undefined);
    release();
  }
}

/** One step: what it is about (for errors) and what to do. */
export type Run = <Out>(what: string, step: (channel: AmqpChannel) => Promise<Out>) => Promise<Out>;

/** Looks for something and makes nothing. */
async function find(run: Run, what: string, step: (channel: AmqpChannel) => Promise<unknown>): Promise<unknown> {
  try {
    return await run(what, step);
  } catch (error) {
    throw error instanceof QueueNotFoundError ? notThere(what, error) : error;
  }
}

function declareExchange(run: Run, { name, type, durable, autoDelete = false, passive }: ExchangeDeclaration): Promise<unknown> {
  // The default exchange and RabbitMQ's own cannot be declared.
  if (name === '' || name.startsWith('amq.')) return Promise.resolve();
  if (passive === true) return find(run, `The exchange "${name}"`, (channel) => channel.checkExchange(name));
  return run(`The exchange "${name}"`, (channel) => channel.assertExchange(name, type, { durable, autoDelete }));
}

function declareQueue(
  run: Run,
  { name, durable, exclusive = false, autoDelete = false, arguments: given, passive }: QueueDeclaration,
): Promise<unknown> {
  if (passive === true) return find(run, `The queue "${name}"`, (channel) => channel.checkQueue(name));
  return run(`The queue "${name}"`, (channel) => channel.assertQueue(name, { durable, exclusive, autoDelete, arguments: given }));
}

function declareBinding(run: Run, { queue, exchange, routingKey }: BindingDeclaration): Promise<unknown> {
  // Every queue is bound to the default exchange by its name already.
  if (exchange === '') return Promise.resolve();
  return run(`The binding of "${queue}" to "${exchange}"`, (channel) => channel.bindQueue(queue, exchange, routingKey));
}

/** Declares all of it; what RabbitMQ refuses does not stop the rest, the first refusal is thrown at the end. */
export function declareTopology(connection: AmqpConnection, topology: Topology): Promise<void> {
  return onChannel(connection, async (run) => {
    const refusals: unknown[] = [];
    const attempt = async (step: Promise<unknown>): Promise<void> => {
      try {
        await step;
      } catch (error) {
        if (error instanceof BrokerConnectionError) throw error;
        refusals.push(error);
      }
    };
    for (const exchange of topology.exchanges) await attempt(declareExchange(run, exchange));
    for (const queue of topology.queues) await attempt(declareQueue(run, queue));
    for (const binding of topology.bindings) await attempt(declareBinding(run, binding));
    if (refusals.length > 0) throw refusals[0];
  });
}

const keyOf = (binding: BindingDeclaration): string => JSON.stringify([binding.queue, binding.exchange, binding.routingKey]);

/** What this program has declared so far. */
export class TopologyMemory {
  readonly #exchanges = new Map<string, ExchangeDeclaration>();
  readonly #queues = new Map<string, QueueDeclaration>();
  readonly #bindings = new Map<string, BindingDeclaration>();

  remember(topology: Topology): void {
    for (const exchange of topology.exchanges) this.#exchanges.set(exchange.name, exchange);
    for (const queue of topology.queues) this.#queues.set(queue.name, queue);
    for (const binding of topology.bindings) this.#bindings.set(keyOf(binding), binding);
  }

  forget(queue: string): void {
    this.#queues.delete(queue);
    for (const [key, binding] of this.#bindings) if (binding.queue === queue) this.#bindings.delete(key);
  }

  queue(name: string): QueueDeclaration | undefined {
    return this.#queues.get(name);
  }

  exchangeType(name: string): ExchangeType | undefined {
    return this.#exchanges.get(name)?.type;
  }

  bindingsOf(exchange: string): readonly BindingDeclaration[] {
    return [...this.#bindings.values()].filter((binding) => binding.exchange === exchange);
  }

  /** Everything that these queues need. */
  of(queues: readonly string[]): Topology {
    const bindings = [...this.#bindings.values()].filter((binding) => queues.includes(binding.queue));
    const exchanges = new Set(bindings.map((binding) => binding.exchange));
    return {
      exchanges: [...this.#exchanges.values()].filter((exchange) => exchanges.has(exchange.name)),
      queues: queues.flatMap((name) => this.#queues.get(name) ?? []),
      bindings,
    };
  }

  /** Everything but what belongs to one connection. */
  shared(): Topology {
    return withoutExclusive({
      exchanges: [...this.#exchanges.values()],
      queues: [...this.#queues.values()],
      bindings: [...this.#bindings.values()],
    });
  }
}

/** An exclusive queue belongs to the connection that declares it, so the subscription that reads it declares it. */
export function withoutExclusive(topology: Topology): Topology {
  const own = new Set(topology.queues.filter((queue) => queue.exclusive === true).map((queue) => queue.name));
  if (own.size === 0) return topology;
  return {
    exchanges: topology.exchanges,
    queues: topology.queues.filter((queue) => !own.has(queue.name)),
    bindings: topology.bindings.filter((binding) => !own.has(binding.queue)),
  };
}
