// Results in memcached, where Celery keeps them too (`cache+memcached://h1:11211;h2:11211/`), or in this process (`cache+memory://`).
// Text protocol, because only there one command reads many keys, and compare-and-set keeps a SUCCESS from being replaced.
import { ConfigurationError, didYouMean, readOptionNames } from '../util/index.ts';
import type { KeyValue, KeyValueStore } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import { storableKey } from './kv-names.ts';
import { memcachedLife, serverOf } from './memcached/keys.ts';
import { type MemcachedLine, openMemcached } from './memcached/line.ts';
import { memoryStore } from './memcached/memory.ts';
import { eachOf } from './patience.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

const PORT = 11211;
const MAX_KEY_BYTES = 250;
const MAX_KEYS = 200;
const MAX_WRITES = 64;
/** Text, as both Python clients mark it. Readers here look at no flags. */
const TEXT_FLAG = 16;
const TYPES = ['memcached', 'memcache', 'pylibmc', 'memory'];
/** Options of Python's clients for which there is nothing to tune here. */
const IGNORED = [
  'behaviors',
  'binary',
  'debug',
  'deadRetry',
  'pickleProtocol',
  'cacheCas',
  'serverMaxKeyLength',
  'serverMaxValueLength',
];

/** Opens the backend; nothing connects before the first call. */
export function open(options: BackendOptions): ResultBackend {
  const given = readOptionNames('The result store in memcached', options.transportOptions, {
    names: [...KEY_VALUE_OPTIONS, 'socketTimeout'],
    ignored: IGNORED,
  });
  const [, type = '', list = ''] = /^cache(?:\+(\w+))?:\/\/([^?]*)/i.exec(options.url) ?? [];
  const kind = type === '' ? 'memcached' : type.toLowerCase();
  if (!TYPES.includes(kind))
    throw new ConfigurationError(
      `The cache '${type}' of resultBackend is not known.${didYouMean(type, TYPES)} Known are ${TYPES.join(', ')}.`,
    );
  const timeout = Number(given.socketTimeout ?? options.connectTimeout);
  const store = kind === 'memory' ? memoryStore(options.url) : memcachedStore(options.url, hostsOf(list), timeout);
  return keyValueBackend(store, keyValueOptions(options, given));
}

interface Host {
  readonly host: string;
  readonly port: number;
}

function hostsOf(list: string): readonly Host[] {
  const hosts = list
    .replace(/\/+$/, '')
    .split(';')
    .filter((part) => part !== '');
  return (hosts.length === 0 ? ['127.0.0.1'] : hosts).map((part) => {
    const [, host, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(part) ?? [];
    if (host === undefined)
      throw new ConfigurationError(`'${part}' is no memcached server. Write cache+memcached://host:11211;other:11211/.`);
    return { host: host.replace(/^\[|\]$/g, ''), port: port === undefined ? PORT : Number(port) };
  });
}

/** One or more memcached servers as a key/value store. */
function memcachedStore(url: string, hosts: readonly Host[], timeout: number): KeyValueStore {
  const lines = hosts.map((host) => openMemcached({ ...host, timeout }));
  // No key may hold blanks or control characters, which would end it and begin a command.
  const nameOf = (key: string): string => storableKey(key, /[^\x21-\x7e]/, MAX_KEY_BYTES);
  const lineOf = (name: string): MemcachedLine => lines[serverOf(name, lines.length)] as MemcachedLine;

  async function readFrom(line: MemcachedLine, keys: readonly string[]): Promise<readonly (readonly [string, KeyValue])[]> {
    const found = await line.gets(keys.map(nameOf));
    return keys.flatMap((key) => {
      const cached = found.get(nameOf(key));
      return cached === undefined ? [] : [[key, { value: cached.value, version: cached.cas }] as const];
    });
  }

  async function store(verb: string, key: string, value: Uint8Array, life: number, cas = ''): Promise<string> {
    const name = nameOf(key);
    return lineOf(name).command(`${verb} ${name} ${TEXT_FLAG} ${life} ${value.byteLength}${cas}`, value);
  }

  return {
    name: 'memcached',
    url,
    autoExpire: true,
    celeryCounts: true,
    get: async (keys) => {
      const byLine = Map.groupBy(new Set(keys), (key) => lineOf(nameOf(key)));
      const calls = Array.from(byLine, ([line, own]) => chunks(own, MAX_KEYS).map((part) => readFrom(line, part)));
      return new Map((await Promise.all(calls.flat())).flat());
    },
    set: async (writes) => {
      await eachOf(writes, MAX_WRITES, ({ key, value, expires }) => store('set', key, value, memcachedLife(expires)));
    },
    swap: {
      guards: 'written',
      try: async ({ key, value, expires }, seen) => {
        const was = seen.get(key);
        const life = memcachedLife(expires);
        const cas = was === undefined ? '' : ` ${String(was.version)}`;
        return (await store(was === undefined ? 'add' : 'cas', key, value, life, cas)) === 'STORED';
      },
    },
    delete: async (keys) => {
      await eachOf(keys, MAX_WRITES, (key) => lineOf(nameOf(key)).command(`delete ${nameOf(key)}`));
    },
    check: async () => {
      await Promise.all(lines.map((line) => line.command('version')));
    },
    [Symbol.asyncDispose]: async () => {
      for (const line of lines) line[Symbol.dispose]();
    },
  };
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}
