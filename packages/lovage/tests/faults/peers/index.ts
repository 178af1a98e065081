// The peers of the table: Debian's Celery on Redis and on RabbitMQ, and BullMQ, with late acks and time limits scaled as Lovage's lease.
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type RabbitServer, startRabbit, startRedis } from '../../../../../scripts/servers/index.ts';
import { addStack } from '../harness/arena.ts';
import { type Child, startChild } from '../harness/child.ts';
import type { Final } from '../harness/ledger.ts';
import { startFaultProxy } from '../harness/proxy.ts';
import type { OpenStack, OpensStack, Ways } from '../harness/stack.ts';
import { hasBullmq } from './bullmq.ts';
import { CELERY, type PeerOrders } from './orders.ts';

const QUEUE = 'faults';
/** Seconds. */
const LEASES = { short: 2, long: 30 } as const;
const HEARTBEATS = { short: 2, long: 10 } as const;
const PUBLISH_TIMEOUTS = { short: 3, long: 10 } as const;
/** Celery looks for messages that are overdue on Redis so often (s): at every tenth of its calls, which are ten seconds apart. */
const CELERY_LOOKS = 100;

/** How one peer is run and looked into. */
interface Peer {
  readonly command: string;
  readonly args: readonly string[];
  finals(redis: Redis, ids: readonly string[]): Promise<readonly Final[]>;
  /** Given up, with the reason. */
  failed(redis: Redis): Promise<ReadonlyMap<string, string>>;
  waiting(redis: Redis, rabbit: RabbitServer | undefined): Promise<number>;
}

const text = (value: unknown): string => JSON.stringify(value).replaceAll(' ', '_');

const celery: Peer = {
  ...CELERY,
  finals: async (redis, ids) => {
    const stored = await redis.mget(ids.map((id) => `celery-task-meta-${id}`));
    return ids.flatMap((id, at): Final[] => {
      if (stored[at] == null) return [];
      const { status, result } = JSON.parse(stored[at]) as { readonly status: string; readonly result: unknown };
      return [{ id, state: status, by: text(result) }];
    });
  },
  failed: async () => new Map(),
  waiting: async (redis, rabbit) => {
    if (rabbit === undefined) return (await redis.llen(QUEUE)) + (await redis.hlen('unacked'));
    const lines = (await rabbit.ctl('list_queues', 'name', 'messages')).split('\n');
    return Number(lines.find((line) => line.startsWith(`${QUEUE}\t`))?.split('\t')[1] ?? 0);
  },
};

const bullmq: Peer = {
  command: process.execPath,
  args: [join(import.meta.dirname, 'bullmq-program.ts')],
  finals: async (redis, ids) => {
    const reads = redis.pipeline();
    for (const id of ids) reads.hget(`bull:${QUEUE}:${id}`, 'returnvalue');
    const stored = (await reads.exec()) ?? [];
    return ids.flatMap((id, at): Final[] => {
      const value = stored[at]?.[1];
      return typeof value === 'string' ? [{ id, state: 'completed', by: value.replaceAll(' ', '_') }] : [];
    });
  },
  failed: async (redis) => new Map((await redis.zrange(`bull:${QUEUE}:failed`, '0', '-1')).map((id) => [id, 'failed'])),
  waiting: async (redis) => (await redis.llen(`bull:${QUEUE}:wait`)) + (await redis.llen(`bull:${QUEUE}:active`)),
};

function opens(peer: Peer, isRabbit: boolean, looks: number): OpensStack {
  return async ({ stack, scale, seed }, options = {}) => {
    const folder = mkdtempSync(join(tmpdir(), `lovage-fault-${stack}-${seed}-`));
    const owned = new AsyncDisposableStack();
    const redis = owned.use(await startRedis({ appendonly: options.appendonly ?? 'off' }));
    const rabbit = isRabbit ? owned.use(await startRabbit()) : undefined;
    const brokerUrl = rabbit?.url ?? redis.url;
    const brokerProxy = owned.use(await startFaultProxy(brokerUrl));
    const resultProxy = isRabbit ? owned.use(await startFaultProxy(redis.url)) : brokerProxy;
    const reader = new Redis(redis.url, { commandTimeout: 2000 });
    reader.on('error', () => undefined);
    owned.defer(() => reader.disconnect());
    const lease = options.lease ?? LEASES[scale];
    const publishTimeout = options.publishTimeout ?? PUBLISH_TIMEOUTS[scale];
    const heartbeat = options.heartbeat ?? HEARTBEATS[scale];

    const start = async (role: PeerOrders['role'], name: string, ways: Ways, concurrency = 10): Promise<Child> => {
      const orders: PeerOrders = {
        role,
        folder,
        name,
        queue: QUEUE,
        brokerUrl: ways.broker === 'proxy' ? brokerProxy.url(brokerUrl) : brokerUrl,
        resultUrl: ways.results === 'proxy' ? resultProxy.url(redis.url) : redis.url,
        concurrency,
        lease,
        heartbeat,
        publishTimeout,
      };
      const { command, args } = peer;
      return owned.use(await startChild({ name, folder, command, args, env: { FAULT_PEER: JSON.stringify(orders) } }));
    };

    const open: OpenStack = {
      folder,
      queue: QUEUE,
      // Not promised by anybody: how long the runner looks.
      takeover: isRabbit ? 2 : lease + looks + 2,
      lease: isRabbit ? undefined : lease,
      publishTimeout,
      heartbeat,
      broker: rabbit ?? redis,
      brokerProxy,
      resultProxy,
      worker: ({ name, concurrency, ...ways }) => start('worker', name, ways, concurrency),
      producer: async ({ name, ...ways }) => {
        const child = await start('producer', name, ways);
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
      finals: async (ids) => (ids.length === 0 ? [] : await peer.finals(reader, ids)),
      deadLetters: () => peer.failed(reader),
      waiting: () => peer.waiting(reader, rabbit),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
    return open;
  };
}

function hasCelery(): boolean {
  try {
    execFileSync(CELERY.command, ['-c', 'import celery'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Adds those that are installed. */
export function addPeers(): void {
  if (hasCelery()) {
    addStack('celery-redis', opens(celery, false, CELERY_LOOKS));
    addStack('celery-rabbitmq', opens(celery, true, CELERY_LOOKS));
  }
  if (hasBullmq()) addStack('bullmq', opens(bullmq, false, LEASES.short));
}
