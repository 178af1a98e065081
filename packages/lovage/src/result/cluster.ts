// Results on a Redis Cluster (`redis+cluster://h1:6379;h2:6379`): Celery's keys, spread over the nodes, and published as on one Redis.
// A script sees the keys of one slot only. So a fence, and the counting of chords, need a key prefix with a hash tag (`{shop}`), which keeps
// all keys in one slot.
import { createHash } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import type { Cluster, ClusterNode, Redis } from 'ioredis';
import {
  BackendError,
  ConfigurationError,
  isReplyError,
  parseRedisUrl,
  type RedisTarget,
  type RedisWrite,
  readOptionNames,
  redactUrl,
  redisScript,
  writesCall,
} from '../util/index.ts';
import type { ChordStore } from './chord-seam.ts';
import type { KeyValue, KeyValueStore, KeyValueWrite, Seen } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import { eachOf, patient } from './patience.ts';
import { createRedisChords } from './redis-chords.ts';
import { resultKeys } from './redis-keys.ts';
import { DEFAULT_RETRY } from './retry.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

const NAME = 'redis cluster';
/** Commands under way at a time. */
const MAX_COMMANDS = 256;
/** Of one Redis: accepted, so that one configuration serves both, without a meaning here. */
const IGNORED = ['retryPolicy', 'visibilityTimeout'];
const CHORDS_NEED =
  'Chords on a Redis Cluster are counted by a script, which sees the keys of one slot only: give all keys the same hash tag, ' +
  "with resultBackendTransportOptions: { globalKeyprefix: '{shop}' } (any name in braces), in all programs that share the results.";

/** KEYS: the key to write, then others. ARGV: the digest that each must have ('' for none), the value, the life in ms (0: for ever). */
const SWAP = redisScript(`
for i, key in ipairs(KEYS) do
  local there = redis.call('GET', key)
  if (there and redis.sha1hex(there) or '') ~= ARGV[i] then return 0 end
end
local value, life = ARGV[#KEYS + 1], tonumber(ARGV[#KEYS + 2])
if life > 0 then redis.call('SET', KEYS[1], value, 'PX', life) else redis.call('SET', KEYS[1], value) end
redis.call('PUBLISH', KEYS[1], value)
return 1`);

/** Opens the backend; nothing connects before the first call. */
export function open(options: BackendOptions): ResultBackend {
  const given = readOptions(options);
  const isTagged = /\{[^{}]+\}/.test(String(given.globalKeyprefix ?? ''));
  const cluster = createConnection(options);
  const backend = keyValueBackend(clusterStore(options, cluster, isTagged), keyValueOptions(options, given));
  return isTagged ? { ...backend, chords: clusterChords(options, given, cluster) } : { ...backend, chordsNeed: CHORDS_NEED };
}

/** Chords as on one Redis. No joint commit: the broker is elsewhere. */
function clusterChords(options: BackendOptions, given: Readonly<Record<string, unknown>>, { run }: Connection): ChordStore {
  const keys = resultKeys({ globalKeyprefix: String(given.globalKeyprefix) });
  const closing = new AbortController();
  const {
    open: opened,
    join,
    close,
    extend,
    stale,
  } = createRedisChords({
    apply: (writes) => run((cluster) => applied(cluster, writes, keys.chord('').waiting)),
    keys,
    database: '',
    ordered: given.resultChordOrdered !== false,
    expires: options.expires,
    patiently: (call) =>
      patient(() => call(closing.signal), { name: NAME, policy: options.retry ?? DEFAULT_RETRY, closing: closing.signal }),
  });
  return { open: opened, join, close, extend, ...(stale === undefined ? {} : { stale }) };
}

/** One script on the node that has the slot of `key`. */
async function applied(cluster: Cluster, writes: readonly RedisWrite[], key: string): Promise<readonly unknown[]> {
  const { script, args } = writesCall(writes);
  try {
    return (await cluster.callBuffer('evalsha', script.sha, 1, key, ...args)) as readonly unknown[];
  } catch (error) {
    if (!isReplyError(error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return (await cluster.callBuffer('eval', script.lua, 1, key, ...args)) as readonly unknown[];
  }
}

function readOptions(options: BackendOptions): Readonly<Record<string, unknown>> {
  return readOptionNames('The result store in a Redis Cluster', options.transportOptions, {
    names: [...KEY_VALUE_OPTIONS, 'resultChordOrdered'],
    ignored: IGNORED,
  });
}

/** The connection, made at the first call. */
interface Connection extends AsyncDisposable {
  run<T>(work: (cluster: Cluster) => Promise<T>): Promise<T>;
}

function createConnection(options: BackendOptions): Connection {
  let opening: Promise<Cluster> | undefined;

  async function opened(): Promise<Cluster> {
    const cluster = await connect(options);
    // It gave up, for ever: the next call begins anew.
    cluster.once('end', () => {
      opening = undefined;
    });
    return cluster;
  }

  async function run<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
    opening ??= opened();
    try {
      return await work(await opening);
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      // An answer of a node is final, but for those that only say "not now".
      const transient = !isReplyError(error) || /^(CLUSTERDOWN|TRYAGAIN|LOADING|MASTERDOWN|READONLY)/.test(error.message);
      const said = error instanceof Error ? error.message : String(error);
      throw new BackendError(`The Redis Cluster that holds the results failed: ${said}`, { cause: error, transient });
    }
  }

  return {
    run,
    [Symbol.asyncDispose]: async () => {
      const cluster = await opening?.catch(() => undefined);
      cluster?.disconnect();
    },
  };
}

/** The strings of a cluster as a key/value store. */
function clusterStore(options: BackendOptions, connection: Connection, isTagged: boolean): KeyValueStore {
  const { run } = connection;

  const store = async (cluster: Cluster, { key, value, expires }: KeyValueWrite): Promise<void> => {
    const life = lifeOf(expires);
    await (life === 0 ? cluster.set(key, bufferOf(value)) : cluster.set(key, bufferOf(value), 'PX', life));
    await cluster.publish(key, bufferOf(value));
  };

  async function swap(cluster: Cluster, { key, value, expires }: KeyValueWrite, seen: Seen): Promise<boolean> {
    const keys = [key, ...[...seen.keys()].filter((other) => other !== key)];
    const digests = keys.map((each) => String(seen.get(each)?.version ?? ''));
    const args = [...keys, ...digests, bufferOf(value), lifeOf(expires)];
    try {
      return (await cluster.evalsha(SWAP.sha, keys.length, ...args)) === 1;
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return (await cluster.eval(SWAP.lua, keys.length, ...args)) === 1;
    }
  }

  return {
    name: NAME,
    url: redactUrl(options.url),
    autoExpire: true,
    get: (keys) =>
      run(async (cluster) => {
        // One command a key: a cluster has no read over slots. They leave together, each to its node.
        const values = await eachOf(
          [...new Set(keys)],
          MAX_COMMANDS,
          async (key) => [key, await cluster.getBuffer(key)] as const,
        );
        return new Map(
          values.flatMap(([key, value]): [string, KeyValue][] =>
            value === null ? [] : [[key, { value, version: digest(value) }]],
          ),
        );
      }),
    set: (writes) =>
      run(async (cluster) => {
        await eachOf(writes, MAX_COMMANDS, (write) => store(cluster, write));
      }),
    swap: { guards: isTagged ? 'all' : 'written', try: (write, seen) => run((cluster) => swap(cluster, write, seen)) },
    delete: (keys) =>
      run(async (cluster) => {
        await eachOf(keys, MAX_COMMANDS, (key) => cluster.del(key));
      }),
    changes: (heard) => listenTo(() => run(async (cluster) => cluster), heard),
    check: async () => {
      await run((cluster) => cluster.get('lovage-check'));
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

/** Hears of every result that is published in the cluster: a node passes on what is published on any other. */
function listenTo(connected: () => Promise<Cluster>, heard: (keys: readonly string[]) => void): Disposable {
  let stop = (): void => undefined;
  let isOver = false;
  const tell = (_pattern: string, channel: string): void => heard([channel]);
  connected()
    .then(async (cluster) => {
      if (isOver) return;
      stop = () => {
        cluster.off('pmessage', tell);
        cluster.punsubscribe(PATTERN).catch(() => undefined);
      };
      cluster.on('pmessage', tell);
      await cluster.psubscribe(PATTERN);
    })
    // Polling finds what is not heard.
    .catch(() => undefined);
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      stop();
    },
  };
}

const PATTERN = '*celery-task-meta-*';

async function connect(options: BackendOptions): Promise<Cluster> {
  const { nodes, redisOptions } = nodesOf(options);
  const { Cluster } = await import('ioredis');
  const cluster = new Cluster(nodes, {
    redisOptions,
    enableOfflineQueue: true,
    slotsRefreshTimeout: options.connectTimeout * 1000,
    clusterRetryStrategy: (times) => (times > 5 ? null : Math.min(100 * times, 1000)),
  });
  // Unheard, an error of a node would end the program; the command under way tells of it.
  cluster.on('error', () => undefined);
  cluster.on('+node', (node: Redis) => {
    // An idle connection does not keep a program alive.
    node.on('connect', () => node.stream.unref());
  });
  return cluster;
}

function nodesOf({ url, tls, connectTimeout, appName }: BackendOptions) {
  const [, secure = '', rest = ''] = /^redis(s?)\+cluster:\/\/(.+)$/i.exec(url) ?? [];
  if (rest === '')
    throw new ConfigurationError(
      `'${redactUrl(url)}' names no node. Write redis+cluster://host:6379;other:6379, with the login before the first.`,
    );
  // What is said behind the last node is meant for all.
  const [places = '', query] = rest.split('?');
  const targets = places
    .split(/[;,]/)
    .map((place) => `redis${secure}://${place.replace(/^\w+:\/\//, '')}${query === undefined ? '' : `?${query}`}`)
    .map((address) => parseRedisUrl(address, { tls }));
  const nodes: ClusterNode[] = targets.flatMap(({ hosts }) => hosts.map(({ host, port }) => ({ host, port })));
  const login = targets[0];
  const redisOptions = {
    connectTimeout: connectTimeout * 1000,
    connectionName: `${appName}-results`,
    ...(login?.username === undefined ? {} : { username: login.username }),
    ...(login?.password === undefined ? {} : { password: login.password }),
    ...(login?.tls === undefined ? {} : { tls: tlsOfNodes(login) }),
  };
  return { nodes, redisOptions };
}

/** Each node is checked by its own name. */
function tlsOfNodes({ tls, checkHostname }: RedisTarget): ConnectionOptions {
  const { servername: _, ...shared } = tls ?? {};
  return { ...shared, ...(checkHostname ? {} : { checkServerIdentity: () => undefined }) };
}

function lifeOf(expires: number | undefined): number {
  return expires === undefined ? 0 : Math.max(1, Math.round(expires * 1000));
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function digest(value: Uint8Array): string {
  return createHash('sha1').update(value).digest('hex');
}
