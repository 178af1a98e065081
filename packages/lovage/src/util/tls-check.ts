// How the certificate of a server is checked, as Celery's users write it, and what of that is switched off.
import { ConfigurationError } from './errors.ts';

/** `optional` is a word of servers: to a client, a server always shows its certificate, and Python checks it then as we do. */
const WORDS: Readonly<Record<string, boolean>> = {
  required: true,
  optional: true,
  none: false,
  '2': true,
  '1': true,
  '0': false,
};

/** Reads `ssl_cert_reqs`: `required`, `optional`, `none`, also as `CERT_NONE` or Python's numbers. Throws ConfigurationError. */
export function isCertificateChecked(value: unknown, option: string): boolean {
  const word = `${value}`.toLowerCase().replace(/^(ssl\.)?cert_/, '');
  const checked = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
  if (checked === undefined)
    throw new ConfigurationError(
      `${option} is '${value}', which says nothing of how certificates are checked: required or none.`,
    );
  return checked;
}

/** Parameters of TLS in the query of a URL. */
export function tlsParameters(url: string): readonly string[] {
  return [...parametersOf(url)].map(([name]) => name).filter((name) => name.startsWith('ssl_'));
}

/** All servers that a URL names, joined with `;`, have parameters of their own. */
function parametersOf(url: string): readonly (readonly [name: string, value: string])[] {
  return url.split(';').flatMap((part) => {
    const at = part.indexOf('?');
    return at < 0 ? [] : [...new URLSearchParams(part.slice(at + 1))];
  });
}

const OFF = new Set([false, 'false', '0', 0, 'no']);
const REQUIREMENTS = new Set(['ssl_cert_reqs', 'cert_reqs', 'certReqs']);
const HOST_CHECKS = new Set(['ssl_check_hostname', 'check_hostname', 'checkHostname']);
const CHECKS = new Set(['rejectUnauthorized', 'ssl_verify_cert']);

const isFullyOff = (name: string, value: unknown): boolean =>
  (REQUIREMENTS.has(name) && /^(cert_)?none$|^0$/i.test(`${value}`)) ||
  (CHECKS.has(name) && OFF.has(value as string)) ||
  (name === 'sslmode' && value === 'no-verify') ||
  (name === 'ssl' && /"rejectUnauthorized"\s*:\s*false/.test(`${value}`));

/** What somebody switched off of the check of a server, in words; undefined: nothing. `tls` is the setting beside the URL. */
export function uncheckedTls(url: string, tls?: boolean | Readonly<Record<string, unknown>>): string | undefined {
  const given: readonly (readonly [string, unknown])[] = [
    ...parametersOf(url),
    ...(typeof tls === 'object' && tls !== null ? Object.entries(tls) : []),
  ];
  const off = given.find(([name, value]) => isFullyOff(name, value));
  if (off !== undefined)
    return `is not checked (${off[0]}): whoever stands in between can read and change everything. Name the authority of its certificate instead (ssl_ca_certs).`;
  const anyHost = given.find(([name, value]) => HOST_CHECKS.has(name) && OFF.has(value as string));
  if (anyHost === undefined) return undefined;
  return `may show the certificate of any host (${anyHost[0]}): whoever has one of the same authority can stand in between.`;
}
