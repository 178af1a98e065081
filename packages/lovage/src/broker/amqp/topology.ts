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
const PRECONDITION = 406;
/** Of RabbitMQ's 406 the one that a declaration gets which is not the one there. */
const MISMATCH = /inequivalent/i;
/** And the one for whoever holds a message for too long. */
const HELD_TOO_LONG = /acknowledgement .*timed out/i;

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

function explainPrecondition(what: string, said: string, cause: unknown): BrokerError {
  if (MISMATCH.test(said))
    return new TopologyMismatchError(
      `${what} exists with other arguments. Declare it as it is, or delete it. RabbitMQ says: ${said}`,
      { cause },
    );
  if (HELD_TOO_LONG.test(said))
    return new BrokerError(
      `${what} held a message for longer than consumer_timeout. Raise it in rabbitmq.conf, or set taskTimeLimit below it. RabbitMQ says: ${said}`,
      { cause },
    );
  return new BrokerError(`${what} is refused by RabbitMQ: ${said}`, { cause });
}

/** Does this user lack the rights? `explained` comes from `explain`. */
export function isForbidden(explained: unknown): boolean {
  return explained instanceof BrokerError && codeOf(explained.cause) === REFUSED;
}

/** Would RabbitMQ refuse any other declaration of this user, too: for a lack of rights, or a limit on queues? `explained` comes from `explain`. */
export function refusesAll(explained: unknown): boolean {
  if (explained instanceof TopologyMismatchError) return false;
  return isForbidden(explained) || (explained instanceof BrokerError && codeOf(explained.cause) === PRECONDITION);
}

/** What RabbitMQ's refusal of `what` means. */
export function explain(what: string, error: unknown): Error {
  if (error instanceof BrokerError) return error;
  const said = error instanceof Error ? error.message : String(error);
  switch (codeOf(error)) {
    case PRECONDITION:
      return explainPrecondition(what, said, error);
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

/** On a channel that is open still, it is the client that could not write it: a name or a value that no frame can hold. */
function isUnwritable(error: unknown): error is Error {
  return error instanceof RangeError || error instanceof TypeError;
}

/** A channel, and whether it was closed by somebody. */
class Watched {
  readonly channel: AmqpChannel;
  isOpen = true;

  constructor(channel: AmqpChannel) {
    this.channel = channel;
    channel.once('close', () => {
      this.isOpen = false;
    });
  }

  /** One that waits for the answer to what it could not write answers nothing else any more. */
  async close(): Promise<void> {
    if (this.isOpen) await this.channel.close().catch(() => undefined);
  }
}

/** Runs steps, one after the other, on one channel that is opened for the first; on a new one after each refusal. */
export class Steps {
  readonly #connection: AmqpConnection;
  #watched: Watched | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: AmqpConnection) {
    this.#connection = connection;
  }

  readonly run: Run = (what, step) => {
    const mine = this.#last.then(() => this.#step(what, step));
    this.#last = mine.catch(() => undefined);
    return mine;
  };

  async #step<Out>(what: string, step: (channel: AmqpChannel) => Promise<Out>): Promise<Out> {
    const release = this.#connection.busy();
    try {
      this.#watched ??= new Watched(await this.#connection.channel());
      return await step(this.#watched.channel);
    } catch (error) {
      const failed = this.#watched;
      this.#watched = undefined;
      if (failed?.isOpen !== true) throw explain(what, error);
      await failed.close();
      if (!isUnwritable(error)) throw explain(what, error);
      throw new BrokerError(`${what} cannot be written for RabbitMQ: ${error.message}`, { cause: error });
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    await this.#watched?.close();
  }
}

/** Runs steps on a channel of their own, which is closed behind them. */
export async function onChannel<Out>(connection: AmqpConnection, work: (run: Run) => Promise<Out>): Promise<Out> {
  const release = connection.busy();
  const steps = new Steps(connection);
  try {
    return await work(steps.run);
  } finally {
    await steps.close();
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

type Declaration = ExchangeDeclaration | QueueDeclaration | BindingDeclaration;

/** Declares all of it; what RabbitMQ refuses does not stop the rest, it is handed to `refused`, and the first refusal is thrown at the end. */
export function declareTopology(
  connection: AmqpConnection,
  topology: Topology,
  refused: (declaration: Declaration) => void = () => undefined,
): Promise<void> {
  return onChannel(connection, async (run) => {
    const refusals: unknown[] = [];
    const attempt = async (declaration: Declaration, step: Promise<unknown>): Promise<void> => {
      try {
        await step;
      } catch (error) {
        if (error instanceof BrokerConnectionError) throw error;
        refusals.push(error);
        refused(declaration);
      }
    };
    for (const exchange of topology.exchanges) await attempt(exchange, declareExchange(run, exchange));
    for (const queue of topology.queues) await attempt(queue, declareQueue(run, queue));
    for (const binding of topology.bindings) await attempt(binding, declareBinding(run, binding));
    if (refusals.length > 0) throw refusals[0];
  });
}

const keyOf = (binding: BindingDeclaration): string => JSON.stringify([binding.queue, binding.exchange, binding.routingKey]);

/** Keeps it, and remembers in `undo` how to go back to the one before. */
function keep<Kind extends Declaration>(
  map: Map<string, Kind>,
  key: string,
  made: Kind,
  undo: Map<Declaration, () => void>,
): void {
  const before = map.get(key);
  map.set(key, made);
  undo.set(made, () => {
    if (map.get(key) !== made) return;
    if (before === undefined) map.delete(key);
    else map.set(key, before);
  });
}

/** What this program has declared so far. */
export class TopologyMemory {
  readonly #exchanges = new Map<string, ExchangeDeclaration>();
  readonly #queues = new Map<string, QueueDeclaration>();
  readonly #bindings = new Map<string, BindingDeclaration>();

  /** Answers what takes one of them back that RabbitMQ refuses: then the declaration before it counts again. */
  remember(topology: Topology): (refused: Declaration) => void {
    const undo = new Map<Declaration, () => void>();
    for (const exchange of topology.exchanges) keep(this.#exchanges, exchange.name, exchange, undo);
    for (const queue of topology.queues) keep(this.#queues, queue.name, queue, undo);
    for (const binding of topology.bindings) keep(this.#bindings, keyOf(binding), binding, undo);
    return (refused) => undo.get(refused)?.();
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
