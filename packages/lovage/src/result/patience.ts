// Calls to a store: several at a time, again while it is away, and with errors in our words. Called by kv-backend.ts and the SQL backend.
import { BackendError, ConfigurationError, deadline, LovageError } from '../util/index.ts';
import { type RetryPolicy, repeatedly } from './retry.ts';

/** Seconds for which a call is tried again on a store that is away. */
const PATIENCE = 20;

/** Seconds that a request to a store in a cloud may be silent, unless readTimeout says otherwise: the packages of those wait for ever. */
const READ_TIMEOUT = 30;
/** Names and codes of errors that pass: lines that are lost or not to be had, and packages' own words for no answer in time. */
const PASSING = /^(TimeoutError|AbortError|RequestTimeout|SlowDown|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|REQUEST_SEND_ERROR)/;

/** The transport option readTimeout of such a store, in seconds. */
export function readTimeoutOf({ readTimeout = READ_TIMEOUT }: Readonly<Record<string, unknown>>): number {
  if (typeof readTimeout !== 'number' || !(readTimeout > 0))
    throw new ConfigurationError(
      `The transport option readTimeout is ${JSON.stringify(readTimeout)}. Give the seconds that a request may be silent, such as 30.`,
    );
  return readTimeout;
}

/** Runs `work` for each, at most `limit` at a time. */
export async function eachOf<T, R>(items: readonly T[], limit: number, work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const done: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) done[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return done;
}

/** Is this a failure of a server or of the way to it, after which the same call can succeed? */
function isPassing(error: unknown): boolean {
  const { name, code, statusCode, $metadata } = (error ?? {}) as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly statusCode?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: unknown };
  };
  const status = Number(statusCode ?? $metadata?.httpStatusCode ?? 0);
  return [name, code].some((word) => typeof word === 'string' && PASSING.test(word)) || status >= 500 || status === 429;
}

/** An error of a client library becomes one of ours, and says which store it was. */
export async function inWords<T>(name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof LovageError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    throw new BackendError(`The result store ${name} failed: ${said}`, { cause: error, transient: isPassing(error) });
  }
}

/** How long and how often a call is tried. */
export interface Patience {
  readonly name: string;
  readonly policy: RetryPolicy;
  readonly closing: AbortSignal;
}

/** Repeats a call while its store is away; every call here may be repeated, for a swap that did happen finds its own bytes. */
export async function patient<T>(call: () => Promise<T>, { name, policy, closing }: Patience): Promise<T> {
  using limit = deadline(PATIENCE, () => new BackendError(`The result store ${name} has not answered for ${PATIENCE} s.`));
  const canMend = (error: unknown): boolean => error instanceof LovageError && error.transient && !closing.aborted;
  return await repeatedly(policy, limit.signal, () => inWords(name, call), canMend);
}
