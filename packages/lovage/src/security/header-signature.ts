// Lovage's own signature, beyond Celery: it lies in a header and covers what Celery's leaves open, the name of the task, its id, where it
// goes and when. Peers that do not know it pass it by.
//
// The header says `1.<key id>.<time>.<nonce>.<destination>.<signature>`: epoch seconds; a random part, so that no two signatures are
// the same; the destination as base64url, a queue, or exchange and routing key. What is signed is a list of plain values (`statement`), the body as its SHA-256.
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import type { TaskDelivery } from '../protocol/index.ts';
import { type Clock, SignatureRefusedError } from '../util/index.ts';
import type { MessageKey } from './keys.ts';

export const SIGNATURE_HEADER = 'x-lovage-signature';

/** What is signed of a message: the broker room's messages fit. */
export type SignedMessage = Pick<TaskDelivery, 'exchange' | 'routingKey' | 'headers' | 'properties' | 'body'>;

/** A message as it was taken. */
export type TakenMessage = TaskDelivery & { readonly queue: string };

const COVERED = [
  ...['task', 'id', 'root_id', 'parent_id', 'group', 'group_index', 'eta', 'expires', 'retries', 'timelimit'],
  ...['ignore_result', 'replaced_task_nesting', 'shadow', 'compression'],
];

/** As a value is after any broker: what is missing is null, and numbers are numbers. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

/** Brokers leave out what is empty. */
const text = (value: string | undefined): string | null => (value === undefined || value === '' ? null : value);

interface Terms {
  readonly id: string;
  readonly time: string;
  readonly nonce: string;
  readonly destination: string;
}

function statement(message: SignedMessage, { id, time, nonce, destination }: Terms): Buffer {
  const { properties, body } = message;
  // Nothing that a driver hands over may throw here: `headers: null` comes from the wire, too.
  const headers: Readonly<Record<string, unknown>> = message.headers ?? {};
  return Buffer.from(
    JSON.stringify([
      'lovage-1',
      id,
      time,
      nonce,
      destination,
      ...COVERED.map((name) => plain(Object.hasOwn(headers, name) ? headers[name] : null)),
      text(properties.replyTo),
      text(properties.correlationId),
      text(properties.contentType),
      text(properties.contentEncoding),
      createHash('sha256').update(body).digest('hex'),
    ]),
  );
}

/** A queue alone, or exchange and routing key. */
const destinationOf = ({ exchange, routingKey }: SignedMessage): string =>
  JSON.stringify(exchange === '' ? [routingKey] : [exchange, routingKey]);

export interface HeaderSignerOptions {
  /** Id of the key. */
  readonly id: string;
  readonly key: MessageKey;
  readonly clock: Clock;
}

/** Makes the header of a message that is about to be published. */
export function createHeaderSigner({ id, key, clock }: HeaderSignerOptions): (message: SignedMessage) => string {
  return (message) => {
    const time = String(Math.floor(clock.now()));
    const nonce = randomBytes(9).toString('base64url');
    const destination = destinationOf(message);
    const signature = key.sign(statement(message, { id, time, nonce, destination }));
    return ['1', id, time, nonce, Buffer.from(destination).toString('base64url'), signature.toString('base64url')].join('.');
  };
}

export interface ResignerOptions {
  readonly keys: ReadonlyMap<string, MessageKey>;
  readonly sign: (message: SignedMessage) => string;
  /** Does this exchange lead to this queue? */
  readonly leads: MessageGuardOptions['leads'];
}

/**
 * Signs a message anew that was signed before and is sent again by somebody who may: what was not signed, not as it is now, or for another
 * queue than `next` goes to, stays as it is, so that nobody gets a signature by asking for a repeat.
 */
export function createResigner({
  keys,
  sign,
  leads,
}: ResignerOptions): <M extends SignedMessage>(before: SignedMessage, next: M) => M {
  return (before, next) => {
    try {
      const parts = partsOf(before);
      if (keys.get(parts.id)?.verify(statement(before, parts), parts.signature) !== true) return next;
      if (next.exchange !== '' || !leadsHere(parts.destination, next.routingKey, leads)) return next;
    } catch {
      return next;
    }
    const { [SIGNATURE_HEADER]: _, ...headers } = next.headers;
    return { ...next, headers: { ...headers, [SIGNATURE_HEADER]: sign(next) } };
  };
}

/** The gate of a worker for signed messages. */
export interface MessageGuard {
  /** Must messages of this queue be signed? */
  covers(queue: string): boolean;
  /** Throws SignatureRefusedError for a message of a covered queue that is not as it was signed. */
  check(message: TakenMessage): void;
  /** Called when a task starts: true when its message has started here before, and was not given back since. */
  repeats(message: TakenMessage): boolean;
  /** Called when a message that started here goes back to its queue: it may start once more. */
  returned(message: TakenMessage): void;
}

export interface MessageGuardOptions {
  readonly keys: ReadonlyMap<string, MessageKey>;
  readonly covers: (queue: string) => boolean;
  /** Seconds that a signature is good, from its making or from the eta. */
  readonly window: number;
  readonly clock: Clock;
  /** Does this exchange lead to this queue? */
  readonly leads: (exchange: string, queue: string) => boolean;
}

interface Parts extends Terms {
  readonly signature: Buffer;
}

/** Clocks of two machines differ by no more. */
const SKEW = 300;
/** Starts that are remembered. */
const MOST_REMEMBERED = 1_000_000;

const HEADER = /^1\.([\w-]{1,64})\.(\d{1,12})\.([\w-]{1,32})\.([\w-]{1,4096})\.([\w-]{1,1024})$/;

function headerOf({ headers }: SignedMessage): unknown {
  return (headers as typeof headers | null)?.[SIGNATURE_HEADER];
}

function partsOf(message: SignedMessage): Parts {
  const header = headerOf(message);
  if (header === undefined || header === null)
    throw new SignatureRefusedError(
      `The message is not signed, and this queue takes signed ones only (setting signingRequired). Set signingKey where it is sent; Celery's own clients cannot sign so.`,
    );
  const [, id, time, nonce, destination, signature] = HEADER.exec(typeof header === 'string' ? header : '') ?? [];
  if (id === undefined || time === undefined || nonce === undefined || destination === undefined || signature === undefined)
    throw new SignatureRefusedError(`The header ${SIGNATURE_HEADER} is none that this version reads.`);
  return {
    id,
    time,
    nonce,
    destination: Buffer.from(destination, 'base64url').toString(),
    signature: Buffer.from(signature, 'base64url'),
  };
}

/** Was it sent to where it was taken? A message that somebody gave back comes through the default exchange, so the sender's word counts. */
function leadsHere(destination: string, queue: string, leads: MessageGuardOptions['leads']): boolean {
  // Whoever signed it wrote it as above.
  const [first = '', key] = JSON.parse(destination) as readonly string[];
  return key === undefined ? first === queue : leads(first, queue);
}

/** From when the window counts: a task far ahead is as fresh as one of its hour. */
function freshFrom(signedAt: number, { headers }: SignedMessage): number {
  const eta = typeof headers.eta === 'string' ? Date.parse(headers.eta) / 1000 : Number.NaN;
  return Number.isNaN(eta) ? signedAt : Math.max(signedAt, eta);
}

/** The guard of a worker. */
export function createMessageGuard({ keys, covers, window, clock, leads }: MessageGuardOptions): MessageGuard {
  /** When each start is forgotten, oldest first. */
  const started = new Map<string, number>();
  const forgetOld = (now: number): void => {
    for (const [header, until] of started) {
      if (until > now && started.size < MOST_REMEMBERED) return;
      started.delete(header);
    }
  };
  const check = (message: TakenMessage): void => {
    if (!covers(message.queue)) return;
    const parts = partsOf(message);
    const { id, destination } = parts;
    const key = keys.get(id);
    if (key === undefined)
      throw new SignatureRefusedError(`The message is signed with the key '${id}', which signingKeys does not have.`);
    if (!key.verify(statement(message, parts), parts.signature))
      throw new SignatureRefusedError(
        `The signature (key '${id}') does not fit the message: its task, id, destination, times or body are not those that were signed.`,
      );
    if (!leadsHere(destination, message.queue, leads))
      throw new SignatureRefusedError(
        `The message was signed for ${destination} and was found in ${JSON.stringify(message.queue)}.`,
      );
    const now = clock.now();
    const signedAt = Number(parts.time);
    if (signedAt > now + SKEW)
      throw new SignatureRefusedError(`The message was signed ${Math.round(signedAt - now)} s ahead of this machine's clock.`);
    const age = now - freshFrom(signedAt, message);
    if (age > window)
      throw new SignatureRefusedError(
        `The signature is ${Math.round(age)} s old; the setting signingWindow allows ${window}. Send the task again.`,
      );
  };
  const repeats = (message: TakenMessage): boolean => {
    const header = headerOf(message);
    if (!covers(message.queue) || typeof header !== 'string') return false;
    const now = clock.now();
    forgetOld(now);
    // What the message says of earlier starts is not signed, so it counts for nothing here.
    if (started.has(header)) return true;
    started.set(header, freshFrom(now, message) + window);
    return false;
  };
  const returned = (message: TakenMessage): void => {
    const header = headerOf(message);
    if (typeof header === 'string') started.delete(header);
  };
  return { covers, check, repeats, returned };
}
