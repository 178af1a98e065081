// What a consumer needs of an app, made by hand on the memory drivers: tasks are functions from a job to an outcome.

import { vi } from 'vitest';
import type { Broker, Delivery, Outgoing } from '../../src/broker/index.ts';
import { openBroker } from '../../src/broker/index.ts';
import { Consumer, type ConsumerOptions, type ConsumerSettings, type WorkerApp } from '../../src/consumer/index.ts';
import { openPool, type Pool } from '../../src/pool/index.ts';
import { attemptNumber, openBackend, type ResultBackend, type StoredResult } from '../../src/result/index.ts';
import { createSerialization } from '../../src/serialization/index.ts';
import type { Job, Outcome, TaskDefinition, TaskOptions } from '../../src/task/index.ts';
import { uuid } from '../../src/util/index.ts';
import { outcomeOf } from './jobs.ts';

export const settings: ConsumerSettings = {
  taskAcksLate: true,
  taskAcksOnFailureOrTimeout: true,
  taskIgnoreResult: false,
  workerDisableRateLimits: false,
  workerPrefetchMultiplier: 1,
  brokerConnectionRetry: true,
  brokerConnectionMaxRetries: null,
  maxDeliveries: 5,
  unknownTask: 'deadLetter',
  maxBodyBytes: 100_000,
  resultExpires: 3600,
};

export type Body = (job: Job, signal: AbortSignal) => Promise<Outcome> | Outcome;

/** A stored result whose body says only its state. */
export function storedOf(id: string, state: string, attempt = 1): StoredResult {
  return {
    id,
    state,
    body: new TextEncoder().encode(JSON.stringify({ state })),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    attempt,
  };
}

/** The outcome of a task that ran well, with its result. */
export function success(job: Job, fields: Partial<Outcome> = {}): Outcome {
  const { id, retries, attempts } = job.request;
  return outcomeOf('SUCCESS', { results: [storedOf(id, 'SUCCESS', attemptNumber(retries, attempts))], ...fields });
}

interface Registered {
  readonly definition: TaskDefinition;
  readonly body: Body;
}

export interface Harness extends AsyncDisposable {
  readonly app: WorkerApp;
  readonly broker: Broker;
  readonly backend: ResultBackend;
  readonly pool: Pool;
  readonly queue: string;
  /** Everything that the observer was told: `taskUnknown` and the like. */
  readonly told: string[];
  /** Ids in the order in which they started. */
  readonly started: string[];
  readonly consumer: Consumer;
  task(name: string, body: Body, options?: TaskOptions): void;
  publish(...messages: readonly (Partial<Outgoing> & { readonly headers: Record<string, unknown> })[]): Promise<void>;
  /** Publishes a call of protocol 2 and returns its id. */
  call(task: string, headers?: Record<string, unknown>): Promise<string>;
  /** Starts the consumer and waits until it is ready. */
  start(options?: Partial<ConsumerOptions>): Promise<Consumer>;
  state(id: string): Promise<string | undefined>;
  counts(): Promise<{ ready: number; held: number; parked: number; dead: number }>;
}

/** Waits for what is about to be true. */
export function soon<T>(check: () => T | Promise<T>, timeout = 9000): Promise<T> {
  return vi.waitFor(check, { interval: 2, timeout });
}

const encoder = new TextEncoder();

export interface HarnessOptions {
  /** Of broker and store. @default a memory: URL of its own */
  readonly url?: string;
  /** Of the store. @default that of the broker */
  readonly backendUrl?: string;
  /** Seconds. @default 1 */
  readonly connectTimeout?: number;
  readonly settings?: Partial<ConsumerSettings>;
  readonly concurrency?: number;
  readonly broker?: (broker: Broker) => Broker;
  readonly backend?: (backend: ResultBackend) => ResultBackend;
  readonly followUp?: WorkerApp['followUp'];
}

/** Headers of a message that waits in `queue`, or of a dead letter. */
export async function peekHeaders(broker: Broker, queue: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return (await broker.peek(queue, 100)).map((message) => message.headers);
}

export async function harness(options: HarnessOptions = {}): Promise<Harness> {
  const name = uuid();
  const url = options.url ?? `memory://${name}`;
  const plain = await openBroker({
    url,
    appName: name,
    connectTimeout: options.connectTimeout ?? 1,
    heartbeat: 10,
    transportOptions: {},
    deadLetters: { mode: 'lovage', ttl: 3600, maxLength: 1000 },
  });
  const store = await openBackend({
    url: options.backendUrl ?? url,
    appName: name,
    connectTimeout: options.connectTimeout ?? 1,
    transportOptions: {},
    broker: { url, transportOptions: {} },
    oid: uuid(),
    expires: 3600,
    persistent: false,
  });
  const broker = options.broker?.(plain) ?? plain;
  const backend = options.backend?.(store) ?? store;
  const serialization = createSerialization();
  const accept = serialization.accept(['json']);
  const queue = `q-${name}`;
  const tasks = new Map<string, Registered>();
  const told: string[] = [];
  const started: string[] = [];
  const topology = { exchanges: [], queues: [{ name: queue, durable: true, arguments: {} }], bindings: [] };
  const app: WorkerApp = {
    settings: { ...settings, ...options.settings },
    broker,
    backend,
    publisher: { publish: (messages, given) => broker.publish(messages, given) },
    records: {
      failure: ({ id, attempt }, error) => [{ ...storedOf(id, 'FAILURE', attempt), body: encoder.encode(String(error)) }],
      revoked: ({ id, attempt }, reason) => [{ ...storedOf(id, 'REVOKED', attempt), body: encoder.encode(reason) }],
    },
    observer: {
      taskReceived: () => void told.push('taskReceived'),
      taskRevoked: (_, { expired }) => void told.push(expired ? 'taskExpired' : 'taskRevoked'),
      taskRejected: () => void told.push('taskRejected'),
      taskUnknown: () => void told.push('taskUnknown'),
    },
    find: (task) => tasks.get(task)?.definition,
    taskNames: () => [...tasks.keys()],
    options: (definition) => definition.options,
    decodeBody: ({ body, properties, headers }: Delivery) =>
      serialization.decode({ body, ...properties, compression: headers.compression as string | undefined }, accept),
    queues: () => ({ names: [queue], topology }),
    ...(options.followUp === undefined ? {} : { followUp: options.followUp }),
  };
  const pool = await openPool('async', {
    concurrency: options.concurrency ?? 10,
    grace: 0.05,
    execute: async (job, options) => {
      started.push(job.request.id);
      options.onStart?.({ pid: process.pid, name: 'slot' });
      return (await tasks.get(job.request.task)?.body(job, options.signal)) ?? outcomeOf('SUCCESS');
    },
  });
  let consumer: Consumer | undefined;
  await plain.declare(topology);
  const publish: Harness['publish'] = (...messages) =>
    plain.publish(
      messages.map((message) => ({
        exchange: '',
        routingKey: queue,
        properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
        body: encoder.encode('[[], {}, {}]'),
        ...message,
      })),
      { signal: AbortSignal.timeout(5000) },
    );
  return {
    app,
    broker,
    backend,
    pool,
    queue,
    told,
    started,
    get consumer() {
      if (consumer === undefined) throw new Error('not started');
      return consumer;
    },
    task: (task, body, given = {}) => {
      const definition = {
        name: task,
        options: given,
        handlers: {},
        params: [],
        arity: undefined,
        bind: false,
        run: () => undefined,
      };
      tasks.set(task, { definition, body });
    },
    publish,
    call: async (task, headers = {}) => {
      const id = (headers.id as string | undefined) ?? uuid();
      await publish({ headers: { lang: 'py', task, id, root_id: id, retries: 0, ...headers } });
      return id;
    },
    start: async (given = {}) => {
      consumer = new Consumer({ app, pool, hostname: 'celery@test', ...given });
      await consumer.ready;
      return consumer;
    },
    state: async (id) => (await store.get([id])).get(id)?.state,
    counts: async () => {
      const own = await plain.count(queue);
      const dead = await plain.count(`lovage.dead.${queue}`);
      return { ready: own?.ready ?? 0, held: own?.held ?? 0, parked: own?.parked ?? 0, dead: dead?.ready ?? 0 };
    },
    [Symbol.asyncDispose]: async () => {
      await consumer?.[Symbol.asyncDispose]();
      await plain[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}
