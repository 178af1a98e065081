// What an AMQP URL says: amqp://user:password@host:port/vhost?options, or several with `;` between them (a failover list).
// Called by amqp-client.ts. The rules for vhosts and for parts left out are Celery's.
import { ConfigurationError } from './errors.ts';
import { redactUrl } from './redact.ts';
import { decodeUrlPart } from './url-part.ts';

/** One server to try. */
export interface AmqpEndpoint {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly vhost: string;
  /** Query options under their names in the URL: `heartbeat`, `connect_timeout`, `login_method`, `ssl_…`. */
  readonly query: Readonly<Record<string, string>>;
  /** Password masked. */
  readonly label: string;
}

const SCHEMES = new Set(['amqp:', 'amqps:', 'pyamqp:', 'librabbitmq:']);

/** No path and `/` mean the vhost `/`; `//` too; `/foo` means `foo`, `//foo` means `/foo`. */
function readVhost(path: string, url: string): string {
  if (path === '' || path === '/') return '/';
  return decodeUrlPart(path.slice(1), 'vhost', url);
}

function readUrl(text: string): URL {
  // Not `new URL`: its error holds the password.
  const url = URL.parse(text);
  if (url === null) throw new ConfigurationError(`"${redactUrl(text)}" is not a URL. Write amqp://user:password@host:5672/vhost`);
  return url;
}

function readEndpoint(part: string): AmqpEndpoint {
  const text = part.includes('://') ? part : `amqp://${part}`;
  const url = readUrl(text);
  if (!SCHEMES.has(url.protocol)) {
    throw new ConfigurationError(
      `"${redactUrl(text)}" is not a URL of RabbitMQ: it starts with ${url.protocol}//, not with amqp:// or amqps://`,
    );
  }
  const query = Object.fromEntries(url.searchParams);
  const tls = url.protocol === 'amqps:' || query.ssl === 'true' || query.ssl === '1';
  return {
    tls,
    host: decodeUrlPart(url.hostname, 'host', text).replace(/^\[|\]$/g, '') || 'localhost',
    port: url.port === '' ? (tls ? 5671 : 5672) : Number(url.port),
    user: decodeUrlPart(url.username, 'user', text) || 'guest',
    password: decodeUrlPart(url.password, 'password', text) || 'guest',
    vhost: readVhost(url.pathname, text),
    query,
    label: redactUrl(text),
  };
}

/** The servers of a URL in the order in which they are to be tried. Throws ConfigurationError. */
export function parseAmqpUrl(url: string): readonly AmqpEndpoint[] {
  const parts = url.split(';').map((part) => part.trim());
  return parts.filter((part) => part !== '').map(readEndpoint);
}
