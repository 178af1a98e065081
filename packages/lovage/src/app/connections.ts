// The brokers of an app: opened when first needed, one for each address, closed with the app.
import { type Broker, type BrokerOptions, openBroker } from '../broker/index.ts';
import type { BackendOptions } from '../result/index.ts';
import { ConfigurationError, redactUrl, uncheckedTls } from '../util/index.ts';
import type { Settings } from './settings.ts';

/** `read`: where workers take from. `write`: where messages go. */
export type BrokerRole = 'read' | 'write';

const REDIS = /^(redis|rediss|sentinel|redis\+socket|rediss\+socket)(\+\w+)?:/i;
const AMQP = /^(amqps?|pyamqp):/i;

/** The broker's address; several are one text, separated by `;`, in the order in which they are tried. */
export function brokerUrl(settings: Settings, role: BrokerRole): string {
  const own = role === 'read' ? settings.brokerReadUrl : settings.brokerWriteUrl;
  const urls = own ?? settings.brokerUrl;
  if (typeof urls === 'string') return urls;
  const strategy = settings.brokerFailoverStrategy;
  if (typeof strategy === 'function') return [...strategy(urls)].join(';');
  return (strategy === 'shuffle' ? shuffled(urls) : urls).join(';');
}

function shuffled(urls: readonly string[]): readonly string[] {
  return urls
    .map((url) => ({ url, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ url }) => url);
}

/** Which end of the priority scale the broker at this address serves first. */
export function priorityOrderOf(url: string): 'highest-first' | 'lowest-first' {
  return REDIS.test(url) ? 'lowest-first' : 'highest-first';
}

/** Settings that are options of one driver only. */
function driverOptions(url: string, settings: Settings): Readonly<Record<string, unknown>> {
  if (REDIS.test(url)) return { inFlight: settings.redisInFlight, maxLoopBlock: settings.maxLoopBlock };
  if (/^sqlite:/i.test(url)) return { durability: settings.durability };
  if (AMQP.test(url)) return { nativeDelayedDeliveryQueueType: settings.brokerNativeDelayedDeliveryQueueType };
  return {};
}

/** Options of a broker that are those of a result store on the same server too: one prefix, one Sentinel group, one file. */
const SHARED = /^(global_?keyprefix|master_?name|sentinel_?kwargs|durability)$/i;

function shared(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => SHARED.test(name)));
}

/** RabbitMQ's login method is a part of its address. */
function withLoginMethod(urls: string, method: string | null): string {
  if (method === null) return urls;
  return urls
    .split(';')
    .map((url) =>
      AMQP.test(url) && !url.includes('login_method=') ? `${url}${url.includes('?') ? '&' : '?'}login_method=${method}` : url,
    )
    .join(';');
}

/** What a broker driver is opened with. */
export function brokerOptions(appName: string, settings: Settings, role: BrokerRole): BrokerOptions {
  const url = brokerUrl(settings, role);
  return {
    url: withLoginMethod(url, settings.brokerLoginMethod),
    appName,
    connectTimeout: settings.brokerConnectionTimeout,
    heartbeat: settings.brokerHeartbeat,
    ...(settings.brokerUseSsl === false ? {} : { tls: settings.brokerUseSsl }),
    transportOptions: {
      ...driverOptions(url, settings),
      ...settings.brokerTransportOptions,
    },
    deadLetters: { mode: settings.deadLetters, ttl: settings.deadLettersTtl, maxLength: settings.deadLettersMaxLength },
  };
}

/** The result store's address: the setting, else the database of the broker, which can then commit results and acks together. */
export function resultUrl(settings: Settings): string {
  if (settings.resultBackend !== null) return /^disabled$/i.test(settings.resultBackend) ? 'disabled://' : settings.resultBackend;
  const url = brokerUrl(settings, 'write');
  return AMQP.test(url) ? 'rpc://' : url;
}

/** Settings that are options of one result driver only. */
function storeOptions(url: string, settings: Settings): Readonly<Record<string, unknown>> {
  if (/^sqlite:/i.test(url)) return { durability: settings.durability };
  if (/^cache[+:]/i.test(url)) return settings.cacheBackendOptions;
  if (!/^(db|database)[+:]/i.test(url)) return {};
  const { databaseTableNames, databaseTableSchemas, databaseCreateTablesAtSetup } = settings;
  return { tableNames: databaseTableNames, tableSchemas: databaseTableSchemas, createTables: databaseCreateTablesAtSetup };
}

/** Servers of which the settings say that they need not be who they say they are, in words for a log. */
export function uncheckedServers(settings: Settings): readonly string[] {
  const { beatScheduler, brokerReadUrl } = settings;
  const broker = brokerOptions('', settings, 'write');
  const results = backendOptions('', '', settings);
  const places: readonly (readonly [what: string, url: string, tls?: BrokerOptions['tls']])[] = [
    ['broker', broker.url, broker.tls],
    ...(brokerReadUrl === null ? [] : [['broker', brokerUrl(settings, 'read'), broker.tls] as const]),
    ...(results.url === broker.url ? [] : [['result store', results.url, results.tls] as const]),
    ...(beatScheduler === null || beatScheduler === results.url ? [] : [['schedule store', beatScheduler] as const]),
  ];
  return places.flatMap(([what, url, tls]) => {
    const words = uncheckedTls(url, tls);
    return words === undefined ? [] : [`The ${what} ${redactUrl(url)} ${words}`];
  });
}

/** What a result driver is opened with. */
export function backendOptions(appName: string, oid: string, settings: Settings): BackendOptions {
  const broker = brokerOptions(appName, settings, 'write');
  const url = redisAddress(resultUrl(settings), settings);
  const follows = settings.resultBackend === null;
  const tls = settings.redisBackendUseSsl ?? (follows && settings.brokerUseSsl !== false ? settings.brokerUseSsl : undefined);
  return {
    url,
    appName,
    connectTimeout: settings.redisSocketConnectTimeout ?? settings.brokerConnectionTimeout,
    ...(tls === undefined || tls === false ? {} : { tls }),
    transportOptions: {
      ...storeOptions(url, settings),
      ...(follows ? shared(settings.brokerTransportOptions) : {}),
      ...settings.resultBackendTransportOptions,
    },
    broker: {
      url: broker.url,
      transportOptions: settings.brokerTransportOptions,
      ...(broker.tls === undefined ? {} : { tls: broker.tls }),
    },
    oid,
    expires: settings.resultExpires === null || settings.resultExpires === 0 ? undefined : settings.resultExpires,
    persistent: settings.resultPersistent ?? false,
    retention: { maxCount: settings.resultMaxCount ?? undefined, maxBytes: settings.resultMaxBytes ?? undefined },
    retry: {
      maxRetries: settings.resultBackendAlwaysRetry ? settings.resultBackendMaxRetries : 0,
      baseSleep: settings.resultBackendBaseSleepBetweenRetriesMs,
      maxSleep: settings.resultBackendMaxSleepBetweenRetriesMs,
    },
    redis: {
      clientName: settings.redisClientName ?? undefined,
      replyTimeout: settings.redisSocketTimeout,
      healthCheck: settings.redisBackendHealthCheckInterval ?? undefined,
      keepAlive: settings.redisSocketKeepalive,
    },
  };
}

/** Fills what a Redis address leaves open from redisHost, redisPort, redisDb, redisUsername and redisPassword. */
function redisAddress(url: string, settings: Settings): string {
  if (!/^rediss?:/i.test(url) || url.includes(';')) return url;
  const { redisHost, redisPort, redisDb, redisUsername, redisPassword } = settings;
  if ([redisHost, redisPort, redisDb, redisUsername, redisPassword].every((part) => part === null)) return url;
  // A scheme that URL does not know as special may have no host at all. Not `new URL`: its error holds the password.
  const parsed = URL.parse(url.replace(/^(rediss?:\/\/)(?=\/|$)/i, `$1${redisHost ?? 'localhost'}`));
  if (parsed === null) throw new ConfigurationError('resultBackend is not an address; write redis://user:password@host:6379/0.');
  if (parsed.port === '' && redisPort !== null) parsed.port = String(redisPort);
  if (parsed.username === '' && redisUsername !== null) parsed.username = encodeURIComponent(redisUsername);
  if (parsed.password === '' && redisPassword !== null) parsed.password = encodeURIComponent(redisPassword);
  if (/^\/?$/.test(parsed.pathname) && redisDb !== null) parsed.pathname = `/${redisDb}`;
  return parsed.href;
}

/** Brokers by what they were opened with: equal options share one, changed settings get a new one. */
export interface Connections extends AsyncDisposable {
  open(options: BrokerOptions): Promise<Broker>;
}

/** No broker yet. */
export function createConnections(): Connections {
  const brokers = new Map<string, Promise<Broker>>();
  let closed = false;
  return {
    open: (options) => {
      if (closed) return Promise.reject(closedApp(options.appName));
      const key = JSON.stringify(options);
      const known = brokers.get(key);
      if (known !== undefined) return known;
      const opening = openBroker(options);
      brokers.set(key, opening);
      opening.catch(() => brokers.delete(key));
      return opening;
    },
    [Symbol.asyncDispose]: async () => {
      closed = true;
      const opened = await Promise.allSettled(brokers.values());
      brokers.clear();
      const open = opened.filter((entry) => entry.status === 'fulfilled');
      await Promise.all(open.map(({ value }) => value[Symbol.asyncDispose]()));
    },
  };
}

/** What a closed app answers. */
export function closedApp(name: string): ConfigurationError {
  return new ConfigurationError(`The app '${name}' is closed. Make a new one, or close it later.`);
}
