// Commands to workers, and their answers: kombu's pidbox as a client sees it. One message to the fanout exchange; each worker that is
// meant answers into our reply queue.
import type { Broker, Delivery, Outgoing } from '../../broker/index.ts';
import { type ControlReply, type Matcher, originName, writeControlRequest } from '../../protocol/index.ts';
import type { BroadcastCommand, Broadcaster, BroadcastReply } from '../../result/index.ts';
import type { Serialization } from '../../serialization/index.ts';
import { after, type Clock, ConfigurationError, checkLimit, type Timer, uuid } from '../../util/index.ts';
import type { Settings } from '../settings.ts';
import { Inbox } from './inbox.ts';
import { inboxTopology, namesOf, requestTopology } from './topology.ts';

/** Seconds in which a command has to be confirmed by the broker. */
const CONFIRM = 30;
/** Answers are waited for as long as they come, but not longer than so many times the time-out. */
const PATIENCE = 10;

/** What a mailbox takes from its app. */
export interface MailboxHost {
  readonly settings: Settings;
  readonly serialization: Serialization;
  readonly clock: Clock;
  /** Name of this process's reply queue. */
  readonly oid: string;
  /** MIME types of answers that are read. */
  accept(): ReadonlySet<string>;
  broker(): Promise<Broker>;
}

/** A command with all that decides who gets it and how long answers are waited for. */
export interface Command extends BroadcastCommand {
  /** Only nodes whose name it matches. */
  readonly pattern?: string | undefined;
  /** @default 'glob' when there is a pattern */
  readonly matcher?: Matcher | undefined;
  /** Ends the wait after so many answers. @default as many as there are destinations */
  readonly limit?: number | undefined;
  /** Told of each answer as it comes. */
  readonly onReply?: ((reply: ControlReply) => void) | undefined;
}

/** Sends commands to workers and collects what they answer. */
export interface Mailbox extends Broadcaster, AsyncDisposable {
  broadcast(command: Command): Promise<readonly BroadcastReply[]>;
  /** The same, as pairs of node and answer, in the order in which they came. */
  collect(command: Command): Promise<readonly ControlReply[]>;
}

/** The mailbox of an app. It opens nothing before the first command. */
export function createMailbox(host: MailboxHost): Mailbox {
  // Celery's mailbox counts its own messages, apart from the app's logical clock.
  let count = 0;
  const inboxes = new Map<Broker, Inbox>();

  const inboxOn = (broker: Broker): Inbox => {
    const known = inboxes.get(broker);
    if (known !== undefined) return known;
    const { settings, oid } = host;
    const decode = (delivery: Delivery): unknown =>
      host.serialization.decode({ body: delivery.body, ...delivery.properties }, host.accept());
    const inbox = new Inbox({
      queue: namesOf(settings).replyQueue(oid),
      topology: inboxTopology(oid, settings),
      broker,
      node: originName(process.pid, oid),
      decode,
    });
    inboxes.set(broker, inbox);
    return inbox;
  };

  const send = async (broker: Broker, command: Command, ticket: string | undefined): Promise<void> => {
    await broker.declare(requestTopology(host.settings));
    count++;
    await broker.publish([messageOf(command, ticket, count, host)], { signal: limitOf(command) });
  };

  const collect = async (command: Command): Promise<readonly ControlReply[]> => {
    const checked = check(command);
    const broker = await host.broker();
    if (!command.reply) {
      await send(broker, checked, undefined);
      return [];
    }
    const ticket = uuid();
    const answers = collector(checked);
    using _listening = await inboxOn(broker).listen(ticket, answers.receive);
    try {
      await send(broker, checked, ticket);
      answers.expect(broker.audience?.(namesOf(host.settings).requests, ''));
      return await answers.wait();
    } finally {
      answers.stop();
    }
  };

  return {
    collect,
    broadcast: async (command) => (await collect(command)).map(({ node, value }) => ({ [node]: value })),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...inboxes.values()].map((inbox) => inbox[Symbol.asyncDispose]()));
    },
  };
}

/** Celery sends a pattern without its matcher to nobody's use: every worker runs the command. Here it is a glob. */
function check(command: Command): Command {
  const { destination, pattern, matcher, timeout, limit } = command;
  if (destination !== undefined && (typeof destination === 'string' || destination.length === 0)) {
    throw new ConfigurationError("destination is a list of node names, such as ['celery@host']; leave it out to mean all.");
  }
  if (!(timeout >= 0)) throw new ConfigurationError(`timeout is a number of seconds, not ${timeout}.`);
  if (limit !== undefined) checkLimit(limit, 'answers');
  return pattern === undefined || matcher !== undefined ? command : { ...command, matcher: 'glob' };
}

interface Collector {
  readonly receive: (reply: ControlReply) => void;
  /** So many workers have the command, as far as that is known. */
  expect(heard: number | undefined): void;
  wait(): Promise<readonly ControlReply[]>;
  stop(): void;
}

/** Gathers answers until nobody has answered for `timeout` seconds, or all have that were asked, or `limit` have. */
function collector({ timeout, limit, destination, pattern, signal, onReply }: Command): Collector {
  const replies: ControlReply[] = [];
  const missing = new Set(destination);
  const over = Promise.withResolvers<void>();
  let quiet: Timer | undefined;
  let last: Timer | undefined;
  let audience: number | undefined;
  const abort = (): void => over.reject(signal?.reason);
  const isComplete = (): boolean => {
    if (limit !== undefined && replies.length >= limit) return true;
    if (destination !== undefined && missing.size === 0) return limit === undefined;
    // Whom a name or a pattern leaves out hears the command too, and says nothing.
    const asked = destination === undefined && pattern === undefined ? audience : audience === 0 ? 0 : undefined;
    return asked !== undefined && replies.length >= asked;
  };
  const listen = (): void => {
    quiet?.cancel();
    quiet = after(timeout, over.resolve, { ref: true });
  };
  return {
    receive: (reply) => {
      replies.push(reply);
      missing.delete(reply.node);
      if (isComplete()) over.resolve();
      else if (quiet !== undefined) listen();
      onReply?.(reply);
    },
    expect: (heard) => {
      audience = heard;
      if (isComplete()) over.resolve();
    },
    wait: async () => {
      over.promise.catch(() => undefined);
      if (signal?.aborted === true) abort();
      signal?.addEventListener('abort', abort, { once: true });
      last = after(Math.max(1, timeout) * PATIENCE, over.resolve);
      listen();
      await over.promise;
      return replies;
    },
    stop: () => {
      quiet?.cancel();
      last?.cancel();
      signal?.removeEventListener('abort', abort);
    },
  };
}

function limitOf({ signal }: BroadcastCommand): AbortSignal {
  const limit = AbortSignal.timeout(CONFIRM * 1000);
  return signal === undefined ? limit : AbortSignal.any([signal, limit]);
}

function messageOf(command: Command, ticket: string | undefined, clock: number, host: MailboxHost): Outgoing {
  const { method, destination, pattern, matcher, timeout } = command;
  const names = namesOf(host.settings);
  const reply = ticket === undefined ? undefined : { ticket, to: { exchange: names.replies, routingKey: host.oid } };
  const request = writeControlRequest({ method, arguments: command.arguments, destination, pattern, matcher, reply });
  const { body, contentType, contentEncoding } = host.serialization.encode(request, host.settings.taskSerializer);
  return {
    exchange: names.requests,
    routingKey: '',
    headers: { clock, expires: timeout === 0 ? 0 : host.clock.now() + timeout },
    properties: { contentType, contentEncoding, deliveryMode: 2, priority: 0 },
    body,
  };
}
