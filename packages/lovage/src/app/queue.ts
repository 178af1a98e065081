// What `app.queue(name)` gives: counts, pause and resume, a look at what waits, and a hand in it. The broker does the work; what belongs
// to a task (its result, what follows it) is done here.
import type { Broker, Message, QueueCount, ResendOptions, Waiting, WaitingQuery, WaitingRoom } from '../broker/index.ts';
import { formatTime, parseTask, revokedException, type TaskRequest } from '../protocol/index.ts';
import { attemptNumber } from '../result/index.ts';
import { aftermath, type ExecuteEnvironment } from '../task/index.ts';
import { BrokerError, type Clock, checkLimit, logger } from '../util/index.ts';
import type { DeadLetters } from './dead-letters.ts';
import { etaOf } from './times.ts';

const log = logger('app');
const DEFAULT_LIMIT = 100;
/** Seconds in which a message that was taken out has to be back. */
const PUBLISH_TIMEOUT = 30;

/** A task that no worker has yet. */
export interface WaitingTask {
  readonly id: string | undefined;
  /** Task name; undefined when the headers do not tell. */
  readonly task: string | undefined;
  /** Arguments as text, as the sender wrote them for people. */
  readonly args: string;
  readonly kwargs: string;
  readonly state: 'ready' | 'parked';
  /** When a parked one is due. */
  readonly eta: Date | undefined;
  readonly priority: number | undefined;
  readonly message: Message;
}

/** Which waiting tasks are looked at. */
export interface PeekOptions {
  /** @default 'all', on RabbitMQ 'ready' */
  readonly state?: 'ready' | 'parked' | 'all';
  readonly ids?: readonly string[];
  /** A whole number above 0. @default 100 */
  readonly limit?: number;
}

/** One queue, for whoever looks after it. */
export interface QueueHandle {
  readonly name: string;
  /** What waits, is with workers, and is parked; undefined when there is no such queue. */
  count(): Promise<QueueCount | undefined>;
  /**
   * Workers take nothing more from it, wherever they run and whenever they start, until it is resumed; what runs goes on. The mark is in
   * the broker; workers are told at once, and look by themselves now and then.
   */
  pause(): Promise<void>;
  resume(): Promise<void>;
  isPaused(): Promise<boolean>;
  /**
   * Looks at what waits, next first, then at what is parked, soonest first. On RabbitMQ what was seen goes behind what was not, and what is
   * parked cannot be seen. Throws ConfigurationError for a limit that is no whole number above 0.
   */
  peek(options?: PeekOptions): Promise<readonly WaitingTask[]>;
  /**
   * Takes tasks out before they run, and stores REVOKED as their results; resolves to those that it took. Members of chords stay until a
   * worker gets them, which ends their chord; they do not run either. Throws BrokerError on RabbitMQ.
   */
  cancel(ids: string | readonly string[]): Promise<readonly WaitingTask[]>;
  /** Makes parked tasks ready. Throws BrokerError on RabbitMQ. */
  runNow(ids: string | readonly string[]): Promise<readonly WaitingTask[]>;
  /** Gives waiting tasks another time. Throws BrokerError on RabbitMQ. */
  reschedule(
    ids: string | readonly string[],
    to: { readonly countdown: number } | { readonly eta: Date | string },
  ): Promise<readonly WaitingTask[]>;
  /** Deletes all that waits, parked tasks too; resolves to how many. Nothing is stored for them. */
  purge(): Promise<number>;
  readonly deadLetters: DeadLetters;
}

export interface QueueHost {
  readonly broker: () => Promise<Broker>;
  readonly environment: () => ExecuteEnvironment;
  /** Lets workers look at once which queues are paused. Never rejects. */
  readonly tellPauses: () => Promise<void>;
  /** Signs anew what was signed; undefined when this app signs nothing. */
  readonly renew: () => ResendOptions['renew'];
  readonly clock: Clock;
  readonly deadLetters: () => DeadLetters;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function taskOf({ message, id, dueAt }: Waiting): WaitingTask {
  const { task, argsrepr, kwargsrepr } = message.headers;
  return {
    id,
    task: typeof task === 'string' ? task : undefined,
    args: text(argsrepr),
    kwargs: text(kwargsrepr),
    state: dueAt === undefined ? 'ready' : 'parked',
    eta: dueAt === undefined ? undefined : new Date(dueAt * 1000),
    priority: message.properties.priority,
    message,
  };
}

const listOf = (ids: string | readonly string[]): readonly string[] => (typeof ids === 'string' ? [ids] : ids);

/** The inside of a queue, or the reason why it cannot be reached. */
function roomOf(broker: Broker, queue: string, what: string): WaitingRoom {
  if (broker.waiting !== undefined) return broker.waiting;
  throw new BrokerError(
    `A task cannot be ${what} in the queue '${queue}': RabbitMQ gives out only the first message of a queue, and shows nobody what is parked. Revoke the task instead (app.result(id).revoke()), purge the whole queue, or keep the queue on Redis or SQLite.`,
  );
}

export function createQueue(name: string, host: QueueHost): QueueHandle {
  async function list({ state, ids, limit = DEFAULT_LIMIT }: PeekOptions): Promise<readonly Waiting[]> {
    checkLimit(limit, 'tasks');
    const broker = await host.broker();
    const query: WaitingQuery = { limit, ...(state === undefined ? {} : { state }), ...(ids === undefined ? {} : { ids }) };
    if (broker.waiting !== undefined) return broker.waiting.list(name, query);
    if (state === 'parked') roomOf(broker, name, 'looked at while it is parked');
    if (ids !== undefined) roomOf(broker, name, 'looked for by its id');
    // RabbitMQ closes the channel over a queue that is not there.
    if ((await broker.count(name)) === undefined) return [];
    const messages = await broker.peek(name, limit);
    return messages.map((message) => ({
      message,
      id: text(message.headers.id) || message.properties.correlationId,
      dueAt: undefined,
    }));
  }

  async function move(ids: readonly string[], dueAt: number | undefined, what: string): Promise<readonly WaitingTask[]> {
    // The broker writes the new time itself, and cannot sign it.
    if (host.renew() !== undefined)
      throw new BrokerError(
        `A task cannot be ${what} in the queue '${name}': this app signs its messages (setting signingKey), and a signature covers the time. Cancel the task and send it again.`,
      );
    const room = roomOf(await host.broker(), name, what);
    return (await room.reschedule(name, ids, dueAt)).map(taskOf);
  }

  return {
    name,
    count: async () => (await host.broker()).count(name),
    pause: async () => {
      await (await host.broker()).pause([name]);
      await host.tellPauses();
    },
    resume: async () => {
      await (await host.broker()).resume([name]);
      await host.tellPauses();
    },
    isPaused: async () => (await (await host.broker()).paused([name])).length > 0,
    peek: async (options = {}) => (await list(options)).map(taskOf),
    cancel: async (ids) => {
      const broker = await host.broker();
      const removed = await roomOf(broker, name, 'cancelled').remove(name, listOf(ids));
      await Promise.all(removed.map((waiting) => ended(waiting, name, broker, host)));
      return removed.map(taskOf);
    },
    runNow: (ids) => move(listOf(ids), undefined, 'started before its time'),
    reschedule: async (ids, to) => {
      const moment = etaOf(`${name}`, to, host.clock);
      return move(listOf(ids), moment?.at, 'given another time');
    },
    purge: async () => {
      const broker = await host.broker();
      return (await broker.count(name)) === undefined ? 0 : broker.purge(name);
    },
    get deadLetters() {
      return host.deadLetters();
    },
  };
}

/** The request of a message, when it is a task's. */
function requestOf(message: Message, queue: string, environment: ExecuteEnvironment): TaskRequest | undefined {
  const { contentType, contentEncoding } = message.properties;
  const { compression } = message.headers;
  const encoding = { contentType, contentEncoding, ...(typeof compression === 'string' ? { compression } : {}) };
  try {
    const delivery = { ...message, queue, redelivered: false, attempts: 1 };
    const decodeBody = (): unknown =>
      environment.serialization.decode({ body: message.body, compression: undefined, ...encoding }, environment.accept);
    return parseTask(delivery, { hostname: environment.hostname, decodeBody }).request;
  } catch (error) {
    log.debug('A message that was cancelled is no task: {error}', { error: String(error) });
    return undefined;
  }
}

/** Ends a task whose message was taken out: whoever waits for it, or for what was to follow it, is told. */
async function ended({ message }: Waiting, queue: string, broker: Broker, host: QueueHost): Promise<void> {
  const environment = host.environment();
  const request = requestOf(message, queue, environment);
  if (request === undefined) return;
  const { results, parts } = await aftermath(request, message.body, { state: 'REVOKED', reason: 'revoked' }, environment);
  if (parts.length > 0) {
    // Only workers count the members of chords: one of them gets it as a task that is too late.
    const { headersText: _, ...plain } = message as Message & { readonly headersText?: string };
    const headers = { ...message.headers, eta: null, expires: formatTime(0) };
    const again = { ...plain, exchange: '', routingKey: queue, headers };
    await broker.publish([host.renew()?.(message, again) ?? again], { signal: AbortSignal.timeout(PUBLISH_TIMEOUT * 1000) });
    return;
  }
  const { id, retries, attempts, replacedTaskNesting, replyTo, correlationId, group, parentId } = request;
  const meta = {
    taskId: id,
    status: 'REVOKED',
    result: revokedException('revoked'),
    children: [],
    dateDone: formatTime(Date.now() / 1000),
    groupId: group,
    parentId,
  };
  const attempt = attemptNumber(retries, attempts, replacedTaskNesting);
  const own = environment.results.encode(meta, { attempt, replyTo, correlationId: correlationId ?? id });
  await environment.store(request.ignoreResult === true ? results : [own, ...results]);
}
