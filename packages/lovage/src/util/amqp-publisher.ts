// Publishing to RabbitMQ so that the sender knows: confirms, returned messages, alarms, and a line that is opened again until the
// caller's deadline. Called by broker/amqp (tasks, dead letters, parking) and result/rpc (results).
//
// One publish goes in rounds. A round: have a line; wait while RabbitMQ is blocked; write what is open; wait for the confirms.
// A round ends when all are confirmed, when the line breaks (what was not confirmed is written again in the next), or at the deadline.
// A message that RabbitMQ does not allow closes the channel under all that are on their way there, so these are sifted: see #sift.
// What is written again may be stored twice: it is the same message with the same id, it says that it is a repeat (`repeat`), and it has
// one final state (docs/reliability.md, promise 1). Reporting it as unknown instead would make every caller do just this.
import type { AmqpConfirmChannel, AmqpConnection, AmqpDelivery, AmqpProperties } from './amqp-client.ts';
import { backoff } from './backoff.ts';
import { orAborted, sleep } from './deadline.ts';
import { BrokerConnectionError, BrokerError, BrokerFullError, LovageError, PublishError, QueueNotFoundError } from './errors.ts';

/** Seconds between attempts to reach the server. */
const RECONNECT = { first: 0.1, cap: 5 };
const NOT_FOUND = 404;

/** A message as it goes out. */
export interface AmqpLetter {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: AmqpProperties;
  /** Fail when it finds no queue. */
  readonly mandatory: boolean;
  /** Somebody wants to know whether it finds a queue: called with that when it is confirmed. With it no queue is no failure. */
  readonly told?: ((isHeard: boolean) => void) | undefined;
}

export interface AmqpPublisherOptions {
  connect(): Promise<AmqpConnection>;
  /** Runs on each new connection before anything is published there. */
  prepare?(connection: AmqpConnection, isFirst: boolean): Promise<void>;
  /** The letter as it is written again when RabbitMQ may have it already. @default as it was */
  repeat?(letter: AmqpLetter): AmqpLetter;
}

export interface AmqpPublisher extends AsyncDisposable {
  /** Why there is no line, once opening one has failed. */
  readonly trouble: Error | undefined;
  /** Resolves when all are confirmed; rejects with PublishError, at the latest when the signal aborts. */
  publish(letters: readonly AmqpLetter[], signal: AbortSignal): Promise<void>;
  /** The open connection, for declaring and looking; reconnects until the signal aborts. */
  connection(signal: AbortSignal): Promise<AmqpConnection>;
}

interface Entry {
  readonly index: number;
  letter: AmqpLetter;
  /** `written` means that the broker may have it. */
  state: 'waiting' | 'written' | 'stored' | 'failed';
  returned: boolean;
  cause: unknown;
  isSure: boolean;
}

interface Line {
  readonly connection: AmqpConnection;
  readonly channel: AmqpConfirmChannel;
  readonly inFlight: Set<Entry>;
  readonly knownExchanges: Set<string>;
  /** Resolves when the channel is gone. */
  readonly closed: Promise<void>;
  isOpen: boolean;
  /** Why the server closed the channel. */
  error: (Error & { readonly code?: number }) | undefined;
}

const isOpen = (entry: Entry): boolean => entry.state === 'waiting' || entry.state === 'written';

function fail(entry: Entry, cause: unknown, isSure: boolean): void {
  entry.state = 'failed';
  entry.cause = cause;
  entry.isSure = isSure;
}

function describe(letter: AmqpLetter): string {
  return letter.exchange === ''
    ? `the queue "${letter.routingKey}"`
    : `the exchange "${letter.exchange}" with key "${letter.routingKey}"`;
}

function unroutable(letter: AmqpLetter): QueueNotFoundError {
  return new QueueNotFoundError(
    letter.exchange === ''
      ? `There is no queue "${letter.routingKey}" on RabbitMQ. Start a worker for it, or declare it first.`
      : `The exchange "${letter.exchange}" has no queue for the routing key "${letter.routingKey}" on RabbitMQ. Bind one first.`,
  );
}

function unwritable(letter: AmqpLetter, cause: unknown): BrokerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new BrokerError(`A message for ${describe(letter)} cannot be written for RabbitMQ: ${why}`, { cause });
}

function noExchange(name: string, cause: unknown): QueueNotFoundError {
  return new QueueNotFoundError(`There is no exchange "${name}" on RabbitMQ. Declare it first.`, { cause });
}

/** Returned messages come before their confirm and name no tag, so they are known by what they are. */
function markReturned(line: Line, message: AmqpDelivery): void {
  for (const entry of line.inFlight) {
    const { letter } = entry;
    if (entry.returned || letter.exchange !== message.fields.exchange || letter.routingKey !== message.fields.routingKey)
      continue;
    if (letter.properties.correlationId !== message.properties.correlationId || !letter.body.equals(message.content)) continue;
    entry.returned = true;
    return;
  }
}

function confirmed(entry: Entry, error: Error | null): void {
  if (!isOpen(entry) || error?.message === 'channel closed') return;
  if (error !== null) {
    const message = `RabbitMQ refused a message for ${describe(entry.letter)}: the queue is full or has failed.`;
    fail(entry, new BrokerFullError(message, { cause: error }), true);
  } else if (entry.returned && entry.letter.mandatory) fail(entry, unroutable(entry.letter), true);
  else {
    entry.letter.told?.(!entry.returned);
    entry.state = 'stored';
  }
}

function watchChannel(connection: AmqpConnection, channel: AmqpConfirmChannel): Line {
  const { promise, resolve } = Promise.withResolvers<void>();
  const line: Line = {
    connection,
    channel,
    inFlight: new Set(),
    knownExchanges: new Set(['']),
    closed: promise,
    isOpen: true,
    error: undefined,
  };
  channel.on('error', (error: Error) => {
    line.error ??= error;
  });
  channel.on('return', (message: AmqpDelivery) => markReturned(line, message));
  channel.once('close', () => {
    line.isOpen = false;
    resolve();
  });
  return line;
}

/** Publishing to an exchange that is missing closes the channel under everybody, so each is looked for once. */
async function checkExchanges(line: Line, entries: readonly Entry[]): Promise<void> {
  for (const name of new Set(entries.map((entry) => entry.letter.exchange))) {
    if (line.knownExchanges.has(name)) continue;
    const channel = await line.connection.channel();
    try {
      await channel.checkExchange(name);
      line.knownExchanges.add(name);
      await channel.close();
    } catch (error) {
      if (!line.connection.isOpen) return;
      for (const entry of entries)
        if (entry.letter.exchange === name && isOpen(entry)) fail(entry, noExchange(name, error), entry.state === 'waiting');
    }
  }
}

function write(line: Line, entry: Entry, done: () => void): void {
  const { letter } = entry;
  line.inFlight.add(entry);
  entry.returned = false;
  try {
    line.channel.publish(
      letter.exchange,
      letter.routingKey,
      letter.body,
      { ...letter.properties, mandatory: letter.mandatory || letter.told !== undefined },
      (error) => {
        line.inFlight.delete(entry);
        confirmed(entry, error);
        done();
      },
    );
    entry.state = 'written';
  } catch (error) {
    line.inFlight.delete(entry);
    // With an open channel only the message itself can be at fault: headers too large, a name too long.
    if (line.isOpen) fail(entry, unwritable(letter, error), entry.state === 'waiting');
    done();
  }
}

function writeAll(line: Line, entries: readonly Entry[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = entries.length;
  for (const entry of entries) {
    write(line, entry, () => {
      if (--left === 0) resolve();
    });
  }
  return promise;
}

/** The server closed the channel but not the line: the exchange of something in this round has gone. */
function blame(line: Line, entries: readonly Entry[]): void {
  const { error } = line;
  if (error?.code !== NOT_FOUND || !line.connection.isOpen) return;
  for (const entry of entries) {
    const { exchange } = entry.letter;
    if (isOpen(entry) && error.message.includes(`'${exchange}'`)) fail(entry, noExchange(exchange, error), true);
  }
}

/** Did the server close the channel, and not the line, over a message that it does not allow? */
function refusal({ connection, error }: Line): Error | undefined {
  return error !== undefined && error.code !== NOT_FOUND && connection.isOpen ? error : undefined;
}

/** Ends early, without an error, when the line breaks. */
async function round(line: Line, entries: readonly Entry[], signal: AbortSignal): Promise<void> {
  const release = line.connection.busy();
  try {
    while (line.connection.blocked !== undefined) await orAborted(line.connection.unblocked(), signal);
    await orAborted(checkExchanges(line, entries), signal);
    const open = entries.filter(isOpen);
    if (open.length === 0 || !line.isOpen) return;
    await orAborted(Promise.race([writeAll(line, open), line.closed]), signal);
    if (!line.isOpen) blame(line, open);
  } finally {
    release();
  }
}

function atDeadline(line: Line | undefined, lastError: unknown, signal: AbortSignal): unknown {
  const blocked = line?.connection.blocked;
  if (blocked === undefined) return lastError ?? signal.reason;
  return blockedError(blocked, signal.reason);
}

/** What ends a wait for a line that RabbitMQ blocks. */
export function blockedError(blocked: string, cause: unknown): BrokerFullError {
  const message = `RabbitMQ takes no messages: ${blocked || 'an alarm is on'} (memory or disk). Free some, or raise its limit.`;
  return new BrokerFullError(message, { cause });
}

function report(entries: readonly Entry[]): void {
  const failed = entries.filter((entry) => entry.state !== 'stored');
  const first = failed[0];
  if (first === undefined) return;
  const why = first.cause instanceof Error ? first.cause.message : String(first.cause);
  throw new PublishError(
    `RabbitMQ did not take ${failed.length} of ${entries.length} messages: ${why}`,
    failed.map(({ index, isSure, cause }) => ({ index, stored: isSure ? 'no' : 'unknown', cause })),
    { cause: first.cause, transient: failed.some(({ cause }) => !(cause instanceof LovageError) || cause.transient) },
  );
}

class ReconnectingPublisher implements AmqpPublisher {
  readonly #options: AmqpPublisherOptions;
  #line: Line | undefined;
  #opening: Promise<Line> | undefined;
  #wasOpen = false;
  #trouble: Error | undefined;
  #isClosed = false;

  constructor(options: AmqpPublisherOptions) {
    this.#options = options;
  }

  get trouble(): Error | undefined {
    return this.#line?.isOpen === true ? undefined : this.#trouble;
  }

  async publish(letters: readonly AmqpLetter[], signal: AbortSignal): Promise<void> {
    const entries = letters.map(
      (letter, index): Entry => ({ index, letter, state: 'waiting', returned: false, cause: undefined, isSure: true }),
    );
    let lastError: unknown;
    for (let retry = 0; entries.some(isOpen); retry++) {
      try {
        if (retry > 0) await sleep(backoff(retry - 1, RECONNECT), signal);
        const line = await orAborted(this.#open(), signal);
        if (retry > 0) this.#markRepeats(entries);
        await round(line, entries.filter(isOpen), signal);
        lastError = line.error;
        if (refusal(line) !== undefined) await this.#sift(entries.filter(isOpen), signal);
      } catch (error) {
        if (!signal.aborted && error instanceof BrokerConnectionError && error.transient) lastError = error;
        else this.#giveUp(entries, signal.aborted ? atDeadline(this.#line, lastError, signal) : error);
      }
    }
    report(entries);
  }

  #markRepeats(entries: readonly Entry[]): void {
    const { repeat } = this.#options;
    if (repeat === undefined) return;
    for (const entry of entries) {
      if (entry.state !== 'written') continue;
      // Whoever heard the first may be gone when the second comes.
      entry.letter.told?.(true);
      entry.letter = { ...repeat(entry.letter), told: undefined };
    }
  }

  /** Finds out, half by half on channels of their own, which of them RabbitMQ refuses; whoever shared a channel with it is stored. */
  async #sift(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    if (entries.length === 0) return;
    const { connection } = await orAborted(this.#open(), signal);
    const line = watchChannel(connection, await orAborted(connection.confirmChannel(), signal));
    this.#markRepeats(entries);
    try {
      await round(line, entries, signal);
    } finally {
      if (line.isOpen) await line.channel.close();
    }
    const error = refusal(line);
    const suspects = entries.filter(isOpen);
    const [suspect] = suspects;
    if (error === undefined || suspect === undefined) return;
    if (suspects.length === 1) {
      fail(suspect, new BrokerError(`RabbitMQ refused a message: ${error.message}`, { cause: error }), true);
      return;
    }
    const middle = Math.ceil(suspects.length / 2);
    await this.#sift(suspects.slice(0, middle), signal);
    await this.#sift(suspects.slice(middle), signal);
  }

  #giveUp(entries: readonly Entry[], cause: unknown): void {
    for (const entry of entries) if (isOpen(entry)) fail(entry, cause, entry.state === 'waiting');
  }

  async connection(signal: AbortSignal): Promise<AmqpConnection> {
    let trouble: BrokerConnectionError | undefined;
    try {
      for (let retry = 0; ; retry++) {
        if (retry > 0) await sleep(backoff(retry - 1, RECONNECT), signal);
        try {
          return (await orAborted(this.#open(), signal)).connection;
        } catch (error) {
          if (!(error instanceof BrokerConnectionError) || !error.transient) throw error;
          trouble = error;
        }
      }
    } catch (error) {
      // The reason why there is no line says more than the deadline does.
      throw signal.aborted ? (trouble ?? error) : error;
    }
  }

  #open(): Promise<Line> {
    if (this.#isClosed) return Promise.reject(new BrokerError('This connection to RabbitMQ was closed by the program.'));
    if (this.#line?.isOpen === true) return Promise.resolve(this.#line);
    if (this.#opening !== undefined) return this.#opening;
    const opening = this.#openLine();
    this.#opening = opening;
    const over = (error?: unknown): void => {
      this.#opening = undefined;
      this.#trouble = error instanceof Error ? error : undefined;
    };
    opening.then(() => over(), over);
    return opening;
  }

  async #openLine(): Promise<Line> {
    const isReused = this.#line?.connection.isOpen === true;
    const connection = isReused && this.#line !== undefined ? this.#line.connection : await this.#options.connect();
    const release = connection.busy();
    try {
      if (!isReused) await this.#options.prepare?.(connection, !this.#wasOpen);
      this.#line = watchChannel(connection, await connection.confirmChannel());
      this.#wasOpen = true;
      return this.#line;
    } catch (error) {
      if (!isReused) await connection[Symbol.asyncDispose]();
      throw error;
    } finally {
      release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const line = (await this.#opening?.catch(() => undefined)) ?? this.#line;
    await line?.connection[Symbol.asyncDispose]();
  }
}

/** A publisher that opens its line on first use. */
export function createAmqpPublisher(options: AmqpPublisherOptions): AmqpPublisher {
  return new ReconnectingPublisher(options);
}
