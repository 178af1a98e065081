// Opens one connection to a Redis: where it is, how to log in, and how long a server may say nothing. Called by redis-client.ts, which keeps a
// line out of such connections.
import type { Redis, RedisOptions } from 'ioredis';
import { after, type Timer } from './deadline.ts';
import type { RedisTarget } from './redis-url.ts';
import { tlsHinted, withTlsHint } from './tls-hint.ts';

export interface RedisOpenOptions {
  readonly target: RedisTarget;
  /** Seconds. */
  readonly connectTimeout: number;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  /** 2 for a line that listens to invalidations: the client drops RESP3's. @default 3 */
  readonly protocol?: 2 | 3;
  /** Runs on every new connection before it counts as ready (subscriptions, tracking). */
  readonly prepare?: (client: Redis) => Promise<void>;
}

/** Errors with which a server refuses the login: trying again in a moment cannot help whoever waits. */
export const REFUSED: RegExp =
  /WRONGPASS|NOAUTH|NOPERM|invalid username-password|invalid password|DB index is out of range|invalid DB index/i;

interface Driver {
  readonly Redis: new (options: RedisOptions) => Redis;
}

/** Does a server that was asked refuse this login? */
export function isRefusedLogin(error: unknown): error is Error {
  return error instanceof Error && (REFUSED.test(error.message) || isRefusedLogin(error.cause));
}

/** The package brings it along, as one file. */
const loadDriver = (): Promise<Driver> => import('ioredis');

function clientOptions({ target, connectTimeout, name, protocol }: RedisOpenOptions): RedisOptions {
  const [first] = target.hosts;
  const tls =
    target.tls === undefined
      ? undefined
      : { ...target.tls, ...(target.checkHostname ? {} : { checkServerIdentity: () => undefined }) };
  const place: RedisOptions =
    target.path !== undefined
      ? { path: target.path }
      : target.masterName === undefined
        ? { host: first?.host ?? 'localhost', port: first?.port ?? 6379 }
        : {
            sentinels: target.hosts.map(({ host, port }) => ({ host, port })),
            name: target.masterName,
            role: 'master',
            sentinelRetryStrategy: () => null,
            sentinelUsername: target.sentinel.username,
            sentinelPassword: target.sentinel.password,
            ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
          };
  return {
    ...place,
    username: target.username,
    password: target.password,
    db: target.db,
    ...(tls === undefined ? {} : { tls }),
    connectTimeout: connectTimeout * 1000,
    connectionName: name,
    protocol: protocol ?? 3,
    disableClientInfo: true,
    lazyConnect: true,
    // It reads the whole of INFO; `openClient` asks what it wants to know with a word. Behind sentinels it looks at the role of the server too.
    enableReadyCheck: target.masterName !== undefined,
    // The line reconnects itself, with a fresh client: nothing is queued or sent twice behind its back.
    retryStrategy: () => null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: null,
  };
}

/** Ends a connection at once: its client would give a server that is silent another two seconds to say goodbye. */
export function cutClient(client: Redis): void {
  client.disconnect();
  client.stream?.destroy();
}

/** A server that may be stopped, or slower than we waited. */
export class SilentServerError extends Error {}

export interface Opening {
  /** Hears of every error in the client's life. */
  failed(error: Error): void;
  /** Seconds without a byte after which a server that has taken the connection is given up. @default connectTimeout */
  readonly patience?: number;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
}

/** A client whose server has answered. */
export async function openClient(
  options: RedisOpenOptions,
  { failed, signal, patience = options.connectTimeout }: Opening,
): Promise<Redis> {
  const driver = await loadDriver();
  const client = new driver.Redis(clientOptions(options));
  let failure: Error | undefined;
  let refused: Error | undefined;
  let isOpen = false;
  const side = { isSecure: options.target.tls !== undefined, plain: 'redis://', secure: 'rediss://' };
  const likely = (error: Error): Error => (isOpen || client.stream?.bytesRead > 0 ? error : tlsHinted(error, side));
  // Without a listener an error would end the process; a failed SELECT shows nowhere else.
  client.on('error', (thrown: Error) => {
    const error = likely(thrown);
    failure = error;
    if (REFUSED.test(error.message)) refused = error;
    failed(error);
  });
  const stop = (): void => cutClient(client);
  let limit: Timer | undefined;
  const allow = (seconds: number): void => {
    limit?.cancel();
    // What came while this process was busy is read first.
    const mine = after(seconds, () => setImmediate(() => limit === mine && giveUp(seconds)));
    limit = mine;
  };
  const giveUp = (seconds: number): void => {
    failure ??= new SilentServerError(withTlsHint(`No answer within ${seconds} s`, side));
    stop();
  };
  // The client's own time-out ends with the TCP handshake; a stopped server accepts and then says nothing.
  allow(options.connectTimeout);
  const heard = (): void => allow(patience);
  client.once('connect', () => {
    client.stream.unref();
    client.stream.on('data', heard);
    if (patience > options.connectTimeout) heard();
  });
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await client.connect();
    if (refused !== undefined) throw refused;
    // One that still loads its data refuses; the next attempt asks again.
    await client.ping();
    await options.prepare?.(client);
    isOpen = true;
  } catch (error) {
    stop();
    throw failure ?? (error instanceof Error ? likely(error) : error);
  } finally {
    limit?.cancel();
    limit = undefined;
    client.stream?.off('data', heard);
    signal?.removeEventListener('abort', stop);
  }
  if (client.status !== 'ready') throw failure ?? new Error('The connection closed while it was set up');
  return client;
}

/** Lines with the same address end at the same server, whatever their database and login. */
export function addressOf({ path, hosts }: RedisTarget): string {
  return `redis:${path ?? hosts.map(({ host, port }) => `${host}:${port}`).join(',')}`;
}
