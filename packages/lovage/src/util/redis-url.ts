// Redis URLs as Celery writes them: redis, rediss, sentinel lists and unix sockets, with TLS in the query. Pure; redis-client.ts connects.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { ConfigurationError } from './errors.ts';
import { redactUrl } from './redact.ts';
import { isCertificateChecked } from './tls-check.ts';
import { decodeUrlPart } from './url-part.ts';

/** What the settings add to the URL. */
export interface RedisUrlOptions {
  /** `true`, TLS options of Node, or Celery's `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs`. */
  readonly tls?: boolean | Readonly<Record<string, unknown>> | undefined;
  /** Name of the master that the sentinels watch. */
  readonly masterName?: string | undefined;
  /** `username` and `password` of the sentinels themselves. */
  readonly sentinel?: { readonly username?: string | undefined; readonly password?: string | undefined } | undefined;
}

/** Where a Redis is and how to log in. */
export interface RedisTarget {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Unix socket, instead of hosts. */
  readonly path: string | undefined;
  readonly masterName: string | undefined;
  readonly sentinel: { readonly username?: string | undefined; readonly password?: string | undefined };
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  /** Plain data, so that a worker thread can have it. */
  readonly tls: ConnectionOptions | undefined;
  /** False when a TLS certificate may name another host (`ssl_check_hostname`). */
  readonly checkHostname: boolean;
  /** Passwords masked. */
  readonly url: string;
  /** The same text for the same database, whoever asks: what a joint commit compares. */
  readonly database: string;
}

const SCHEMES = new Set(['redis', 'rediss', 'sentinel', 'redis+socket']);

/** Reads a URL; throws ConfigurationError with the masked URL when it cannot be one. */
export function parseRedisUrl(text: string, options: RedisUrlOptions = {}): RedisTarget {
  const parts = text.split(';').map((part) => parseOne(part.trim(), text));
  const [first] = parts;
  if (first === undefined) throw new ConfigurationError(`The Redis URL is empty. Use redis://host:6379/0.`);
  if (first.scheme !== 'sentinel' && parts.length > 1) {
    throw new ConfigurationError(`'${redactUrl(text)}' names several servers: only sentinel:// URLs can be joined with ';'.`);
  }
  const masterName = options.masterName ?? first.query.get('master_name') ?? undefined;
  if (first.scheme === 'sentinel' && masterName === undefined) {
    throw new ConfigurationError(
      `'${redactUrl(text)}' needs the transport option masterName, the name that the sentinels watch.`,
    );
  }
  const hosts = parts.map(({ host, port }) => ({ host, port }));
  const place = first.path ?? hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  return {
    hosts,
    path: first.path,
    masterName: first.scheme === 'sentinel' ? masterName : undefined,
    sentinel: options.sentinel ?? {},
    username: first.username,
    password: first.password,
    db: first.db,
    ...tlsOptions(first, options.tls),
    url: redactUrl(text),
    database: `redis:${place.toLowerCase()}/${first.scheme === 'sentinel' ? `${masterName}/` : ''}${first.db}`,
  };
}

interface OneUrl {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly query: URLSearchParams;
}

function parseOne(part: string, whole: string): OneUrl {
  const scheme = /^([a-z+]+):\/\//i.exec(part)?.[1]?.toLowerCase() ?? '';
  if (!SCHEMES.has(scheme)) {
    throw new ConfigurationError(
      `'${redactUrl(whole)}' is not a Redis URL. Use redis://, rediss://, redis+socket:// or sentinel://.`,
    );
  }
  const socket = scheme === 'redis+socket';
  // A login without a host is no URL for Node. Not `new URL`: its error holds the password.
  const url = URL.parse(part.replace(/^[a-z+]+:/i, 'redis:').replace('@/', socket ? '@localhost/' : '@/'));
  if (url === null)
    throw new ConfigurationError(
      `'${redactUrl(whole)}' cannot be read as a URL. Percent-encode special characters in passwords.`,
    );
  return {
    scheme,
    host: url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (scheme === 'sentinel' ? 26379 : 6379) : Number(url.port),
    path: socket ? decodeUrlPart(url.pathname, 'path', whole) : undefined,
    username: url.username === '' ? undefined : decodeUrlPart(url.username, 'user', whole),
    password: url.password === '' ? undefined : decodeUrlPart(url.password, 'password', whole),
    db: databaseNumber(socket ? (url.searchParams.get('virtual_host') ?? '') : url.pathname.slice(1)),
    query: url.searchParams,
  };
}

function databaseNumber(text: string): number {
  const plain = text.replace(/^\//, '');
  if (plain === '') return 0;
  if (!/^\d+$/.test(plain))
    throw new ConfigurationError(
      `Database is int between 0 and limit - 1, not ${plain}. Write its number at the end of the URL: redis://localhost:6379/0.`,
    );
  return Number(plain);
}

const TLS_FILES: readonly (readonly [celery: string, node: 'ca' | 'cert' | 'key'])[] = [
  ['ssl_ca_certs', 'ca'],
  ['ssl_certfile', 'cert'],
  ['ssl_keyfile', 'key'],
];

function tlsOptions(url: OneUrl, setting: RedisUrlOptions['tls']): Pick<RedisTarget, 'tls' | 'checkHostname'> {
  if (url.scheme !== 'rediss' && (setting === undefined || setting === false)) {
    // What was meant to be safe must not go over an open line.
    const [idle] = [...url.query.keys()].filter((name) => name.startsWith('ssl_'));
    if (idle !== undefined)
      throw new ConfigurationError(
        `The URL has the TLS parameter ${idle}, but ${url.scheme}:// is a line without TLS. Write rediss://, or set brokerUseSsl or redisBackendUseSsl.`,
      );
    return { tls: undefined, checkHostname: true };
  }
  const given: Record<string, unknown> = { ...Object.fromEntries(url.query), ...(typeof setting === 'object' ? setting : {}) };
  const { ssl_cert_reqs: requirement, ssl_check_hostname: checkHostname, virtual_host: _, master_name: __, ...rest } = given;
  // Behind sentinels the server has a name of its own.
  const tls: Record<string, unknown> = isIp(url.host) || url.scheme === 'sentinel' ? {} : { servername: url.host };
  if (requirement !== undefined) tls.rejectUnauthorized = isCertificateChecked(requirement, 'ssl_cert_reqs');
  for (const [key, value] of Object.entries(rest)) {
    const file = TLS_FILES.find(([celery]) => celery === key);
    if (file !== undefined) tls[file[1]] = readPem(`${value}`, key);
    else if (!key.startsWith('ssl_')) tls[key] = value;
  }
  return { tls, checkHostname: !/^(false|0|no)$/i.test(`${checkHostname}`) };
}

function isIp(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}

function readPem(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(`${option} names '${path}', which cannot be read.`, { cause });
  }
}
