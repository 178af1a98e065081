// Results in etcd 3.4 or later (`etcd://user:password@host:2379`), through the JSON gateway that every etcd has: no client package.
// Every write is a transaction, so write rule and fence are one step; leases let results expire.
import { BackendError, ConfigurationError, decodeLogin, readOptionNames, redactUrl } from '../util/index.ts';
import type { KeyValue, KeyValueStore, KeyValueWrite, Seen } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

/** Operations in one transaction at most: etcd's own limit is 128. */
const CHUNK = 100;

/** Opens the backend; nothing connects before the first call. */
export function open(options: BackendOptions): ResultBackend {
  const given = readOptionNames('The result store in etcd', options.transportOptions, { names: KEY_VALUE_OPTIONS });
  return keyValueBackend(etcdStore(options.url, options.connectTimeout), keyValueOptions(options, given));
}

const base64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64');

interface Pair {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
}

interface Answer {
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: { readonly kvs?: readonly Pair[] } }[];
  readonly ID?: string;
  readonly token?: string;
}

function etcdStore(url: string, timeout: number): KeyValueStore {
  const endpoints = endpointsOf(url);
  const call = caller(endpoints, timeout);
  const leaseFor = leases(call);

  async function txn(operations: readonly unknown[], compare: readonly unknown[] = []): Promise<Answer> {
    try {
      return await call('/v3/kv/txn', { compare, success: operations });
    } catch (error) {
      // An etcd that was set up anew knows no lease of before.
      if (!(error instanceof BackendError && error.message.includes('lease not found'))) throw error;
      leaseFor.clear();
      throw new BackendError(error.message, { cause: error });
    }
  }

  async function putOf({ key, value, expires }: KeyValueWrite): Promise<unknown> {
    const lease = await leaseFor.get(expires);
    return { requestPut: { key: base64(key), value: base64(value), ...(lease === undefined ? {} : { lease }) } };
  }

  return {
    name: 'etcd',
    url: redactUrl(url),
    autoExpire: true,
    get: async (keys) => {
      const found = new Map<string, KeyValue>();
      for (const part of chunks(keys)) {
        const { responses = [] } = await txn(part.map((key) => ({ requestRange: { key: base64(key) } })));
        for (const { response_range: range } of responses)
          for (const { key, value = '', mod_revision } of range?.kvs ?? [])
            found.set(Buffer.from(key, 'base64').toString(), { value: Buffer.from(value, 'base64'), version: mod_revision });
      }
      return found;
    },
    set: async (writes) => {
      for (const part of chunks(writes)) await txn(await Promise.all(part.map(putOf)));
    },
    swap: {
      guards: 'all',
      try: async (write, seen) => (await txn([await putOf(write)], unchanged(seen))).succeeded === true,
    },
    delete: async (keys) => {
      for (const part of chunks(keys)) await txn(part.map((key) => ({ requestDeleteRange: { key: base64(key) } })));
    },
    check: async () => {
      await call('/v3/maintenance/status', {});
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** That none of these has changed: the revision that wrote it, 0 where nothing was. */
function unchanged(seen: Seen): readonly unknown[] {
  return Array.from(seen, ([key, was]) => ({
    key: base64(key),
    target: 'MOD',
    result: 'EQUAL',
    mod_revision: was === undefined ? '0' : String(was.version),
  }));
}

/** Where to ask, in turn, and as whom. */
interface Endpoints {
  readonly bases: readonly string[];
  readonly user: { readonly name: string; readonly password: string } | undefined;
}

function endpointsOf(url: string): Endpoints {
  const [, tls, login, hosts = ''] = /^etcd(\+https)?:\/\/(?:([^@/]*)@)?([^/?]+)/i.exec(url) ?? [];
  if (/[?&]ssl_/.test(url))
    throw new ConfigurationError(
      `'${redactUrl(url)}' has TLS parameters, which etcd does not take: write etcd+https://, and name an authority of your own in the environment variable NODE_EXTRA_CA_CERTS.`,
    );
  if (hosts === '') throw new ConfigurationError(`'${redactUrl(url)}' names no etcd. Write etcd://host:2379, or etcd+https://….`);
  const bases = hosts
    .split(/[;,]/)
    .map((host) => `http${tls === undefined ? '' : 's'}://${/:\d+$/.test(host) ? host : `${host}:2379`}`);
  const { user: name, password } = decodeLogin(login, url);
  return { bases, user: name === '' ? undefined : { name, password } };
}

type Call = (path: string, body: unknown) => Promise<Answer>;

/** Asks one endpoint after the other; logs in where a user is named, and again when the token has expired. */
function caller({ bases, user }: Endpoints, timeout: number): Call {
  let first = 0;
  let token: string | undefined;

  async function ask(path: string, body: unknown): Promise<Response> {
    for (let turn = 0; ; turn++) {
      const base = bases[(first + turn) % bases.length] ?? '';
      try {
        const answer = await fetch(base + path, {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: token }) },
          signal: AbortSignal.timeout(timeout * 1000),
        });
        first = (first + turn) % bases.length;
        return answer;
      } catch (cause) {
        if (turn + 1 >= bases.length) throw new BackendError(`The etcd at ${bases.join(', ')} cannot be reached.`, { cause });
      }
    }
  }

  async function call(path: string, body: unknown, isSecond = false): Promise<Answer> {
    if (user !== undefined && token === undefined && path !== '/v3/auth/authenticate')
      ({ token } = await call('/v3/auth/authenticate', user));
    const answer = await ask(path, body);
    const said = await answer.text();
    if (answer.ok) return JSON.parse(said) as Answer;
    if (answer.status === 401 && user !== undefined && !isSecond) {
      token = undefined;
      return call(path, body, true);
    }
    // Unavailable: no leader, or a full queue of requests.
    throw new BackendError(`etcd refused: ${said.slice(0, 200)}`, { transient: answer.status === 503 || answer.status === 504 });
  }

  return (path, body) => call(path, body);
}

/** A lease for each life, shared by what is written within a tenth of it: one for every result would be a request more each. */
function leases(call: Call): { get(expires: number | undefined): Promise<string | undefined>; clear(): void } {
  const known = new Map<number, { readonly id: Promise<string | undefined>; readonly until: number }>();
  const get = async (expires: number | undefined): Promise<string | undefined> => {
    if (expires === undefined) return undefined;
    const there = known.get(expires);
    if (there !== undefined && there.until > performance.now()) return there.id;
    const shared = Math.min(60, expires / 10);
    const ttl = Math.max(1, Math.ceil(expires + shared));
    const id = call('/v3/lease/grant', { TTL: String(ttl) }).then(({ ID }) => ID);
    known.set(expires, { id, until: performance.now() + shared * 1000 });
    id.catch(() => known.delete(expires));
    return id;
  };
  return { get, clear: () => known.clear() };
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, at) => items.slice(at * CHUNK, (at + 1) * CHUNK));
}
