// Lovage on its brokers, as the scenarios see it: private servers, proxies before them, real processes.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import {
  type RabbitServer,
  type RedisServer,
  type Server,
  startRabbit,
  startRedis,
} from '../../../../../scripts/servers/index.ts';
import { DEFAULT_DEAD_LETTERS, openBroker, readDeath } from '../../../src/broker/index.ts';
import { Lovage, type SettingsInput } from '../../../src/index.ts';
import { openBackend, READY_STATES } from '../../../src/result/index.ts';
import { CELERY, type PeerOrders } from '../peers/orders.ts';
import { type Child, startChild } from './child.ts';
import type { Final } from './ledger.ts';
import { keysOnRedis, queuesOnRabbit } from './leftovers.ts';
import type { Orders } from './orders.ts';
import { type FaultProxy, startFaultProxy } from './proxy.ts';
import type { ScenarioContext } from './scenario.ts';
import type { OpenStack, OpensStack, StackOptions, Ways, WorkerOptions } from './stack.ts';

const QUEUE = 'faults';
const PEEK = 10_000;
/** Celery's channels and keys of results begin so. */
const RESULTS = 'celery-task-meta-';
/**
 * RabbitMQ 3.10, killed soon after it made a quorum queue, comes back with the queue's log empty and without a leader; not so once its
 * disk tables are flushed. No client can mend that.
 */
const FLUSH_TABLES = '[dets:sync(Table) || Table <- dets:all()].';
/** Seconds. */
const LEASES = { short: 2, long: undefined } as const;
const HEARTBEATS = { short: 2, long: 10 } as const;
const PUBLISH_TIMEOUTS = { short: 3, long: 10 } as const;
const DEFAULT_LEASE = { redis: 30, sqlite: 10 } as const;

/** RabbitMQ takes seconds to start: the scenarios of one process, which run one after another, share one. */
let rabbit: Promise<RabbitServer> | undefined;

async function sharedRabbit(): Promise<RabbitServer> {
  rabbit ??= startRabbit();
  const server = await rabbit;
  server.resume();
  if (server.pid === undefined) await server.restart();
  return server;
}

/** At the end of a process that ran scenarios. */
export async function closeSharedServers(): Promise<void> {
  await (await rabbit)?.[Symbol.asyncDispose]();
  rabbit = undefined;
}

interface Place {
  readonly brokerUrl: string;
  readonly resultUrl: string;
  readonly transportOptions: Readonly<Record<string, unknown>>;
  readonly settings: SettingsInput;
  readonly broker: Server | undefined;
  readonly results: Server | undefined;
  readonly lease: number | undefined;
  readonly takeover: number;
  readonly redisUrl?: string;
  readonly rabbit?: RabbitServer;
  /** Servers that live and die with the scenario. */
  readonly owned: readonly Server[];
}

async function placeOf(
  { stack, scale }: ScenarioContext,
  { appendonly = 'off', lease = LEASES[scale], visibility }: StackOptions,
  folder: string,
): Promise<Place> {
  if (stack === 'sqlite') {
    const url = `sqlite://${join(folder, 'faults.db')}`;
    const transportOptions = lease === undefined ? {} : { leaseSeconds: lease };
    const none = { broker: undefined, results: undefined, owned: [], settings: {} };
    return { ...none, brokerUrl: url, resultUrl: url, transportOptions, lease: lease ?? DEFAULT_LEASE.sqlite, takeover: 2 };
  }
  const redis: RedisServer = await startRedis({ appendonly });
  if (stack === 'redis' || stack === 'redis-celery') {
    const transportOptions = {
      ...(lease === undefined ? {} : { leaseSeconds: lease }),
      ...(visibility === undefined ? {} : { visibilityTimeout: visibility }),
    };
    const settings: SettingsInput = stack === 'redis' ? {} : { redisInFlight: 'celery' };
    const seconds = lease ?? DEFAULT_LEASE.redis;
    const common = {
      broker: redis,
      results: redis,
      owned: [redis],
      settings,
      lease: seconds,
      takeover: seconds + 2,
      redisUrl: redis.url,
    };
    return { ...common, brokerUrl: redis.url, resultUrl: redis.url, transportOptions };
  }
  if (stack !== 'rabbitmq-classic' && stack !== 'rabbitmq-quorum')
    throw new Error(`Lovage has no processes on the stack '${stack}'.`);
  const server = await sharedRabbit();
  const settings: SettingsInput = stack === 'rabbitmq-quorum' ? { taskDefaultQueueType: 'quorum' } : {};
  const servers = { broker: server, rabbit: server, results: redis, redisUrl: redis.url, owned: [redis] };
  const common = { ...servers, settings, lease: undefined, takeover: 2 };
  return { ...common, brokerUrl: server.url, resultUrl: redis.url, transportOptions: {} };
}

export const openLovageStack: OpensStack = async (context, options = {}) => {
  const { scale, stack, seed } = context;
  const folder = mkdtempSync(join(tmpdir(), `lovage-fault-${stack}-${seed}-`));
  const place = await placeOf(context, options, folder);
  // RabbitMQ outlives the scenario, so its queues have names of their own.
  const queue = `${QUEUE}-${folder.slice(-6)}`;
  const publishTimeout = options.publishTimeout ?? PUBLISH_TIMEOUTS[scale];
  const brokerProxy = place.broker === undefined ? undefined : await startFaultProxy(place.brokerUrl);
  const resultProxy =
    place.results === undefined || place.resultUrl === place.brokerUrl ? brokerProxy : await startFaultProxy(place.resultUrl);
  const heartbeat = options.heartbeat ?? HEARTBEATS[scale];

  const settingsFor = ({ broker, results }: Ways): SettingsInput => {
    const via = (url: string, proxy: FaultProxy | undefined, way: Ways['broker']): string =>
      way === 'proxy' && proxy !== undefined ? proxy.url(url) : url;
    // A backend with the broker's own address commits jointly with it.
    const isJoint = place.resultUrl === place.brokerUrl;
    return {
      brokerUrl: via(place.brokerUrl, brokerProxy, broker),
      resultBackend: via(place.resultUrl, resultProxy, isJoint ? broker : results),
      brokerTransportOptions: place.transportOptions,
      brokerHeartbeat: heartbeat,
      taskDefaultQueue: queue,
      taskPublishTimeout: publishTimeout,
      resultExpires: 3600,
      ...place.settings,
      ...options.settings,
    };
  };

  const start = (
    program: string,
    orders: Omit<Orders, 'folder'>,
    { wrap = [], env = {}, awaits = 'ready' }: Pick<WorkerOptions, 'wrap' | 'env' | 'awaits'> = {},
  ): Promise<Child> => {
    const [command, ...args] = [...wrap, process.execPath, join(import.meta.dirname, program)];
    const given = { ...env, FAULT_ORDERS: JSON.stringify({ ...orders, folder } satisfies Orders) };
    return startChild({ name: orders.name, folder, command, args, env: given, awaits });
  };

  const common = { appName: 'faults', connectTimeout: 4, transportOptions: place.transportOptions };
  const reader = await openBroker({ ...common, url: place.brokerUrl, heartbeat: 10, deadLetters: DEFAULT_DEAD_LETTERS });
  const store = await openBackend({
    ...common,
    transportOptions: {},
    url: place.resultUrl,
    broker: { url: place.brokerUrl, transportOptions: place.transportOptions },
    oid: 'faults',
    expires: 3600,
    persistent: false,
  });

  const children: AsyncDisposable[] = [];
  const kept = <Item extends AsyncDisposable>(child: Item): Item => {
    children.push(child);
    return child;
  };

  const endChildren = async (): Promise<void> => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  };
  const waiting = async (): Promise<number> => {
    const count = await reader.count(queue);
    return (count?.ready ?? 0) + (count?.held ?? 0) + (count?.parked ?? 0);
  };

  const open: OpenStack = {
    folder,
    queue,
    takeover: place.takeover,
    lease: place.lease,
    publishTimeout,
    heartbeat,
    broker: place.broker,
    brokerProxy,
    resultProxy,
    redisUrl: place.redisUrl,
    rabbit: place.rabbit,
    worker: async ({ name, concurrency, tasks, pool, settings, broker, results, ...how }) =>
      kept(
        await start(
          'worker-program.ts',
          {
            name,
            settings: { ...settingsFor({ broker, results }), ...settings },
            ...(concurrency === undefined ? {} : { concurrency }),
            ...(tasks === undefined ? {} : { tasks }),
            ...(pool === undefined ? {} : { pool }),
          },
          how,
        ),
      ),
    python: async ({ name, concurrency = 4, role = 'worker' }) => {
      const { brokerUrl, resultUrl } = place;
      const lease = options.visibility ?? place.lease ?? 0;
      const times = { concurrency, lease, heartbeat, publishTimeout };
      const orders: PeerOrders = { role, folder, name, queue, brokerUrl, resultUrl, ...times };
      return kept(await startChild({ name, folder, ...CELERY, env: { FAULT_PEER: JSON.stringify(orders) } }));
    },
    producer: async ({ name, ...ways }) => {
      const child = kept(await start('producer-program.ts', { name, settings: settingsFor(ways) }));
      return {
        child,
        produce: async (load) => {
          const done = child.heard(`produced ${load.prefix}`);
          child.tell(JSON.stringify(load));
          await done;
        },
        [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
      };
    },
    waiter: async (ways) => {
      const app = new Lovage('faults', settingsFor(ways));
      return kept({
        wait: (id: string, seconds: number) => app.result(id).get({ timeout: seconds }),
        [Symbol.asyncDispose]: () => app.close(),
      });
    },
    finals: async (ids) => {
      const stored = await store.get(ids);
      return [...stored.values()]
        .filter(({ state }) => READY_STATES.has(state))
        .map(({ id, state, body }): Final => ({ id, state, by: resultIn(body) }));
    },
    deadLetters: async () => {
      const dead = await reader.peek(`lovage.dead.${queue}`, PEEK);
      return new Map(dead.map((message) => [String(message.headers.id), readDeath(message)?.reason ?? 'dead-letter']));
    },
    resend: async () => {
      await using app = new Lovage('faults', settingsFor({}));
      return (await app.deadLetters().resend()).length;
    },
    bulk: async (name) => kept(await start('bulk-program.ts', { name, settings: settingsFor({}) })),
    resender: async (name) => kept(await start('resend-program.ts', { name, settings: settingsFor({}) })),
    settle: async () => {
      if (stack !== 'rabbitmq-quorum') return undefined;
      await (await sharedRabbit()).ctl('eval', FLUSH_TABLES);
      return 'disk tables of the server flushed before';
    },
    waiting,
    leftovers: async () => {
      // Each question takes a second or more of a processor, and the tests of every day have few.
      if (place.rabbit !== undefined) return scale === 'short' ? [] : queuesOnRabbit(place.rabbit, queue);
      await endChildren();
      const count = await waiting();
      const messages = count === 0 ? [] : [`${count} messages stay in the queue`];
      return place.redisUrl === undefined ? messages : [...messages, ...(await keysOnRedis(place.redisUrl, queue))];
    },
    ...(place.redisUrl === undefined ? {} : { watchFinals: watchRedis(place.redisUrl) }),
    [Symbol.asyncDispose]: async () => {
      await endChildren();
      if (place.owned.length > 0 && place.owned[0] !== place.broker) {
        for (const name of [queue, `lovage.dead.${queue}`]) await reader.remove(name).catch(() => undefined);
      }
      for (const part of [reader, store, brokerProxy, resultProxy, ...place.owned]) await part?.[Symbol.asyncDispose]();
    },
  };
  return open;
};

/** What the task returned, as text: it names the execution. */
function resultIn(body: Uint8Array): string {
  const { result } = JSON.parse(Buffer.from(body).toString()) as { readonly result: unknown };
  return asText(result);
}

function asText(result: unknown): string {
  return JSON.stringify(result).replaceAll(' ', '_');
}

/** Redis publishes each result that it takes: of two that follow each other within a millisecond, a reader of the key sees one. */
function watchRedis(url: string): NonNullable<OpenStack['watchFinals']> {
  return async (saw) => {
    const redis = new Redis(url);
    redis.on('error', () => undefined);
    redis.on('pmessage', (_pattern: string, channel: string, body: string) => {
      const { status, result } = JSON.parse(body) as { readonly status: string; readonly result: unknown };
      if (READY_STATES.has(status)) saw({ id: channel.slice(RESULTS.length), state: status, by: asText(result) });
    });
    await redis.psubscribe(`${RESULTS}*`);
    return { [Symbol.asyncDispose]: async () => redis.disconnect() };
  };
}
