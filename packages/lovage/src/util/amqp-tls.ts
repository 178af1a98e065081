// TLS settings of an AMQP connection: Node's names, Celery's (`ca_certs`, `certfile`, `keyfile`, `cert_reqs`, `server_hostname`)
// and those of a URL (`ssl_ca_certs=…`). Called by amqp-client.ts.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { AmqpEndpoint } from './amqp-url.ts';
import { ConfigurationError } from './errors.ts';
import { isCertificateChecked } from './tls-check.ts';

type Given = Readonly<Record<string, unknown>>;

const FILES: readonly (readonly [file: string, option: string])[] = [
  ['ca_certs', 'ca'],
  ['caCerts', 'ca'],
  ['certfile', 'cert'],
  ['keyfile', 'key'],
];

function fromQuery(query: Readonly<Record<string, string>>): Given {
  const entries = Object.entries(query).filter(([name]) => name.startsWith('ssl_'));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice('ssl_'.length), value]));
}

function readFile(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigurationError(`The TLS option ${name} names the file ${path}, which cannot be read.`, { cause: error });
  }
}

const isOff = (value: unknown): boolean => value === false || value === 'false' || value === '0';

function isUnverified(given: Given): boolean {
  const wanted = given.cert_reqs ?? given.certReqs;
  return wanted !== undefined && wanted !== null && !isCertificateChecked(wanted, 'ssl_cert_reqs');
}

function translate(given: Given): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, option] of FILES) {
    const path = given[name];
    if (typeof path === 'string') options[option] = readFile(name, path);
  }
  if (isUnverified(given)) options.rejectUnauthorized = false;
  if (isOff(given.check_hostname ?? given.checkHostname)) options.checkServerIdentity = () => undefined;
  const hostname = given.server_hostname ?? given.serverHostname;
  if (typeof hostname === 'string') options.servername = hostname;
  return options;
}

/** What `tls.connect` needs, or undefined when the line is to be plain. */
export function amqpTls(endpoint: AmqpEndpoint, tls: boolean | Given | undefined): ConnectionOptions | undefined {
  const wanted = endpoint.tls || (tls !== undefined && tls !== false);
  if (!wanted) {
    // What was meant to be safe must not go over an open line.
    const [idle] = Object.keys(endpoint.query).filter((name) => name.startsWith('ssl_'));
    if (idle === undefined) return undefined;
    throw new ConfigurationError(
      `The URL has the TLS parameter ${idle}, but amqp:// is a line without TLS. Write amqps://, or set brokerUseSsl.`,
    );
  }
  const given: Given = { ...(typeof tls === 'object' ? tls : {}), ...fromQuery(endpoint.query) };
  const own = new Set([
    'ca',
    'cert',
    'key',
    'passphrase',
    'pfx',
    'rejectUnauthorized',
    'servername',
    'minVersion',
    'maxVersion',
    'ciphers',
  ]);
  const native = Object.fromEntries(Object.entries(given).filter(([name]) => own.has(name)));
  return { ...(isIP(endpoint.host) ? {} : { servername: endpoint.host }), ...native, ...translate(given) };
}
