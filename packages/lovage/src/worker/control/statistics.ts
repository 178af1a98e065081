// Numbers of this process and of its broker, under Celery's keys.
import type { Broker } from '../../broker/index.ts';
import type { ControlPort } from './port.ts';

/** The resources of this process; Node says microseconds and KiB. */
export function usage(): Readonly<Record<string, number>> {
  const used = process.resourceUsage();
  return {
    utime: used.userCPUTime / 1e6,
    stime: used.systemCPUTime / 1e6,
    maxrss: used.maxRSS,
    ixrss: used.sharedMemorySize,
    idrss: used.unsharedDataSize,
    isrss: used.unsharedStackSize,
    minflt: used.minorPageFault,
    majflt: used.majorPageFault,
    nswap: used.swappedOut,
    inblock: used.fsRead,
    oublock: used.fsWrite,
    msgsnd: used.ipcSent,
    msgrcv: used.ipcReceived,
    nsignals: used.signalsCount,
    nvcsw: used.voluntaryContextSwitches,
    nivcsw: used.involuntaryContextSwitches,
  };
}

function partsOf(url: string): {
  readonly hostname: string | null;
  readonly port: number | null;
  readonly path: string;
  readonly user: string | null;
} {
  try {
    const { hostname, port, pathname, username } = new URL(url.split(';')[0] ?? url);
    const path = decodeURIComponent(pathname.replace(/^\//, ''));
    return {
      hostname: hostname || null,
      port: port === '' ? null : Number(port),
      path,
      user: decodeURIComponent(username) || null,
    };
  } catch {
    return { hostname: null, port: null, path: url, user: null };
  }
}

/** In which order several addresses are tried: an address of RabbitMQ may say it itself; of a function, its name. */
function failoverOf({ name, url }: Broker, { brokerFailoverStrategy: strategy }: ControlPort['settings']): string {
  const own = name === 'amqp' ? URL.parse(url.split(';')[0] ?? '')?.searchParams.get('failover_strategy') : undefined;
  return own ?? (typeof strategy === 'function' ? strategy.name || 'function' : strategy);
}

/** Where the worker takes from. Never a password: alternates, which may hold some, are left out. */
export function brokerInfo(broker: Broker, { settings }: ControlPort): Readonly<Record<string, unknown>> {
  const { hostname, port, path, user } = partsOf(broker.url);
  return {
    hostname,
    userid: user,
    virtual_host: path === '' ? '/' : path,
    port,
    insist: false,
    ssl: /^(amqps|rediss)/i.test(broker.url),
    transport: broker.name,
    connect_timeout: settings.brokerConnectionTimeout,
    transport_options: {},
    login_method: null,
    uri_prefix: null,
    heartbeat: settings.brokerHeartbeat,
    failover_strategy: failoverOf(broker, settings),
    alternates: [],
    credential_provider: null,
  };
}

const MEGABYTE = 1024 * 1024;

/** Resident memory as Celery writes it: `52MB`. */
export function memory(): string {
  return `${Math.round(process.memoryUsage.rss() / MEGABYTE)}MB`;
}
