// Secrets never reach a log line, an event, an error, a report or a banner: whatever is shown to people passes through here first.
// `redact` takes settings, `redactData` what tasks and events hold, `redactText` a running text, `redactUrl` what is a URL as a whole.

const BLOT = '********';
/** Names that tell of a secret, in URLs, texts and records. */
const SECRET = /pass(?!ive)|secret|token|credential|signature|authorization|api_?key|private_?key|access_?key|account_?key/i;
/** These may be harmless; a plain value under them is blotted out all the same. */
const TELLING = /key|api|database/i;
/** Keys of queues, routes and stores are no secrets. */
const HARMLESS = /(?:routing|prefix|group|cache|primary|partition|sort)_?key|key_?prefix|keepalive/i;
const MAX_DEPTH = 20;
const MAX_NAME = 200;
/** Errors behind errors that are looked at. */
const MAX_CAUSES = 8;
const WHOLE_URL = /^[a-z][a-z0-9+.-]{0,31}:\/\//i;

/** The URL (or `;` list of URLs) with every password replaced by `**`, also in query parameters, and parts of a connection string, that name one. */
export function redactUrl(url: string): string {
  return url
    .split(NEXT_URL)
    .map((part) =>
      login(part)
        .split(/([?&;])/)
        .map(parameter)
        .join(''),
    )
    .join(';');
}

/** Between the URLs of a list; a `;` elsewhere may belong to a password. */
const NEXT_URL = /;(?=[a-z][a-z0-9+.-]{0,31}:\/\/|$)/i;

/** The password of a login: up to the last `@`, as people forget to percent-encode it. By hand, so that no text makes it slow. */
function login(part: string): string {
  const from = part.indexOf('://') + 3;
  if (from < 3) return part;
  const colon = part.indexOf(':', from);
  const slash = part.indexOf('/', from);
  if (colon < from || (slash >= 0 && slash < colon)) return part;
  const at = endOfLogin(part, from, colon);
  return at > colon ? `${part.slice(0, colon)}:**${part.slice(at)}` : part;
}

/** Where the `@` behind the password is. One in a query is none, unless the password itself has the `?` or the `#`: then no port is before it. */
function endOfLogin(part: string, from: number, colon: number): number {
  const query = part.slice(from).search(/[?#]/);
  const at = part.lastIndexOf('@', query < 0 ? part.length : from + query);
  if (at > colon || query < 0 || part[from] === '[') return at;
  const hasPort = colon > from && /^\d*(?:[/?,]|$)/.test(part.slice(colon + 1, colon + 8));
  return hasPort ? at : part.lastIndexOf('@');
}

/** `name=value`, without the value when the name tells of a secret. */
function parameter(text: string): string {
  const at = text.indexOf('=');
  return at > 0 && at < MAX_NAME && /pass|secret|token|key|signature|credential/i.test(text.slice(0, at))
    ? `${text.slice(0, at)}=**`
    : text;
}

/** May there be anything to mask? Most texts end here. */
const SUSPICIOUS = /:\/\/|pass|secret|token|credential|signature|authorization|api_?key|private_?key|access_?key|account_?key/i;
const URL_IN_TEXT = /[a-z][a-z0-9+.-]{0,31}:\/\/[^\s"'`<>]+/gi;
/** `password=…`, `"token": "…"`, `'secret': '…'`, `Authorization: Bearer …`, but no name of an error. Bounded, so that no text makes it slow. */
const PAIR_IN_TEXT =
  /((?:passwd|password|passphrase|secret|token|credential|signature|authorization|api_?key|private_?key|access_?key|account_?key)(?!\w{0,16}Error)\w{0,16}["']?\s{0,4}[:=]\s{0,4})("[^"\n]*"|'[^'\n]*'|(?:(?:Bearer|Basic)\s+)?[^\s,;&)}\]"']+)/gi;

/** A running text without the passwords of its URLs and the values of what is called a password, a token, a secret. */
export function redactText(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  const urls = text.includes('://') ? text.replaceAll(URL_IN_TEXT, (url) => redactUrl(url)) : text;
  return urls.replaceAll(PAIR_IN_TEXT, (all, name: string, value: string) =>
    /^["']?\*\*/.test(value) ? all : `${name}${blotted(value)}`,
  );
}

/** In the quotes that it had: what reads like JSON or Python still does. */
function blotted(value: string): string {
  const quote = value[0] === '"' || value[0] === "'" ? value[0] : '';
  return `${quote}${BLOT}${quote}`;
}

/** A copy of settings without their secrets: `secret` says that the value as a whole is one. */
export function redact(value: unknown, secret = false): unknown {
  return masked(value, secret, MAX_DEPTH);
}

function masked(value: unknown, secret: boolean, depth: number): unknown {
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  if (secret) return BLOT;
  if (typeof value === 'string') return maskedText(value);
  if (typeof value !== 'object' || value instanceof RegExp || value instanceof Date) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, (item) => masked(item, false, depth - 1));
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (value instanceof URL) return redactUrl(value.href);
  if (value instanceof Error) return redactError(value);
  const entries: Iterable<readonly [unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  return Object.fromEntries(
    Array.from(entries, ([key, item]): [string, unknown] => [String(key), masked(item, isSecret(String(key), item), depth - 1)]),
  );
}

function isSecret(key: string, value: unknown): boolean {
  if (HARMLESS.test(key)) return false;
  // What is under a word that may be harmless is looked into.
  return SECRET.test(key) || (typeof value !== 'object' && typeof value !== 'function' && TELLING.test(key));
}

/**
 * Arguments, fields of an event, an answer, without their secrets; the value itself where there are none. Here `key`, `api` and `database`
 * are words like others, and tokens may be counted.
 */
export function redactData(value: unknown): unknown {
  return maskedData(value, MAX_DEPTH);
}

function maskedData(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return maskedText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return redactError(value);
  if (value instanceof URL) return changed(value.href, redactUrl(value.href)) ?? value;
  if (value instanceof Date || value instanceof RegExp || ArrayBuffer.isView(value)) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value) || value instanceof Set) {
    const items = Array.from(value as Iterable<unknown>, (item) => [item, maskedData(item, depth - 1)] as const);
    if (items.every(([item, shown]) => item === shown)) return value;
    const all = items.map(([, shown]) => shown);
    return Array.isArray(value) ? all : new Set(all);
  }
  const isMap = value instanceof Map;
  const entries: readonly (readonly [unknown, unknown])[] = isMap ? [...value] : Object.entries(value);
  const safe = entries.map(
    ([key, item]) => [key, isSecretField(String(key), item) ? BLOT : maskedData(item, depth - 1)] as const,
  );
  if (safe.every(([, shown], index) => shown === entries[index]?.[1])) return value;
  return isMap ? new Map(safe) : likeness(value, safe);
}

const changed = (was: string, is: string): string | undefined => (was === is ? undefined : is);

/** Of the same class, so that what writes it knows it. */
function likeness(value: object, entries: readonly (readonly [unknown, unknown])[]): object {
  const copy = Object.create(Object.getPrototypeOf(value) as object | null) as object;
  for (const [key, shown] of entries)
    Object.defineProperty(copy, String(key), { value: shown, writable: true, enumerable: true, configurable: true });
  return copy;
}

function isSecretField(key: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'function') return false;
  return SECRET.test(key) && !HARMLESS.test(key) && !(typeof value === 'number' && /token/i.test(key));
}

/** A URL to its end, whatever is in its password, or a running text. */
function maskedText(text: string): string {
  return redactText(WHOLE_URL.test(text) ? redactUrl(text) : text);
}

/** The error itself where there is nothing to mask, else one that looks the same without its secrets. */
export function redactError(error: Error, depth: number = MAX_CAUSES): Error {
  const { message, stack, cause } = error;
  const shown = { message: redactText(message), stack: stack === undefined ? undefined : redactText(stack) };
  const because = cause instanceof Error && depth > 0 ? redactError(cause, depth - 1) : cause;
  if (shown.message === message && shown.stack === stack && because === cause) return error;
  const copy = Object.create(Object.getPrototypeOf(error) as object, Object.getOwnPropertyDescriptors(error)) as Error;
  const put = (name: string, value: unknown): void => {
    Object.defineProperty(copy, name, { value, writable: true, enumerable: false, configurable: true });
  };
  put('message', shown.message);
  put('stack', shown.stack);
  if (because !== cause) put('cause', because);
  return copy;
}
