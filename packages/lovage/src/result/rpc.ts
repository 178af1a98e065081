// Results as messages: each state goes to the reply queue of the process that sent the task, over the broker's RabbitMQ.
// Only that process sees them, and only while it lives. No chords, no groups: nothing is stored that others could count.
import {
  type AmqpDelivery,
  type AmqpOptions,
  BackendError,
  connectAmqp,
  createAmqpPublisher,
  orAborted,
  readOptionNames,
  redactUrl,
} from '../util/index.ts';
import { RecentResults } from './rpc/recent.ts';
import { createReplies } from './rpc/replies.ts';
import { ReplyQueue } from './rpc/reply-queue.ts';
import { type BackendFeatures, type BackendOptions, READY_STATES, type ResultBackend, type StoredResult } from './seam.ts';
import { stateOf } from './sniff.ts';
import { createWatchers } from './watchers.ts';

/** Records of this process that are kept. */
const RECENT = 10_000;
/** Seconds: a program that blocks its event loop keeps its reply queue, and with it its results. */
const HEARTBEAT = 600;
/** Seconds of silence after which the server is asked for a sign of life. */
const PROBE = 10;

const FEATURES: BackendFeatures = { persistent: false, fence: false, autoExpire: true, states: true, messages: true };

/** Celery sends the id twice; a message without either belongs to nobody. */
function idOf({ properties, content }: AmqpDelivery): string | undefined {
  if (properties.correlationId !== undefined && properties.correlationId !== '') return properties.correlationId;
  try {
    const meta: unknown = JSON.parse(content.toString('utf8'));
    const id: unknown = typeof meta === 'object' && meta !== null && 'task_id' in meta ? meta.task_id : undefined;
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

function read(message: AmqpDelivery): StoredResult | undefined {
  const id = idOf(message);
  if (id === undefined) return undefined;
  const { contentType = 'application/json', contentEncoding = 'utf-8' } = message.properties;
  // A copy: the original is a part of a larger piece that the socket read, which would stay with it.
  return {
    id,
    state: stateOf(message.content),
    body: Uint8Array.from(message.content),
    contentType,
    contentEncoding,
    attempt: 1,
  };
}

function limitOf(options: BackendOptions): number {
  const { recentResults: limit } = readOptionNames("The result store 'rpc://'", options.transportOptions, {
    names: ['recentResults'],
  });
  return typeof limit === 'number' && limit > 0 ? limit : RECENT;
}

/** Opens nothing yet; the first call connects. */
export function open(options: BackendOptions): ResultBackend {
  const url = options.broker.url;
  const connect = (purpose: string): AmqpOptions => ({
    url,
    connectTimeout: options.connectTimeout,
    heartbeat: HEARTBEAT,
    probe: PROBE,
    tls: options.tls ?? options.broker.tls,
    name: `lovage ${options.appName} ${purpose}`,
  });
  const recent = new RecentResults(limitOf(options));
  const publisher = createAmqpPublisher({ connect: () => connectAmqp(connect('results')) });
  const replies = createReplies(publisher, options.persistent);
  const watchers = createWatchers({
    begin: async (ids) => {
      await queue.start();
      for (const id of ids) {
        const known = recent.get(id);
        if (known !== undefined && READY_STATES.has(known.state)) watchers.deliver(known);
      }
    },
    end: () => undefined,
  });
  const queue = new ReplyQueue({
    name: options.oid,
    expires: options.expires,
    connect: () => connectAmqp(connect('replies')),
    receive: (message) => {
      const result = read(message);
      if (result !== undefined && recent.put(result)) watchers.deliver(result);
    },
    failed: (error) => watchers.fail(error),
  });

  return {
    name: 'rpc',
    url: redactUrl(url),
    features: FEATURES,
    put: async (results) => {
      await replies.send(results);
      return [];
    },
    get: async (ids) => new Map(ids.flatMap((id) => entry(recent.get(id)))),
    watch: (ids, signal) => watchers.watch(ids, signal),
    listen: (ids, receiver) => watchers.listen(ids, receiver),
    forget: async (ids) => {
      for (const id of ids) recent.forget(id);
    },
    replyTo: async () => {
      await queue.start();
      return options.oid;
    },
    check: async (signal) => {
      const connection = await publisher.connection(signal);
      const channel = await orAborted(connection.channel(), signal);
      await orAborted(channel.close(), signal);
    },
    [Symbol.asyncDispose]: async () => {
      watchers.fail(new BackendError('The rpc result backend was closed.'));
      // A server that says nothing is waited for once.
      await Promise.all([queue[Symbol.asyncDispose](), publisher[Symbol.asyncDispose]()]);
    },
  };
}

function entry(result: StoredResult | undefined): [string, StoredResult][] {
  return result === undefined ? [] : [[result.id, result]];
}
