// What the result backend suite needs of each backend, and the small tools that its parts share.
import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, vi } from 'vitest';
import type { BackendOptions, ResultBackend, StoredResult } from '../../../src/result/index.ts';

export interface BackendHarness {
  /** What a client of its own on the shared store is opened with. */
  readonly options: () => BackendOptions | Promise<BackendOptions>;
  /** Ends every connection to the store, which itself goes on. Absent where there are none. */
  readonly cut?: () => Promise<void>;
  /** The store keeps what a record says in columns of its own (Celery's tables), so its bytes may come back written otherwise. */
  readonly rewrites?: boolean;
  /** The longest record that the store takes, where that is less than 1 MB. */
  readonly maxBytes?: number;
  /** How many results the tests of many take. @default 1000 */
  readonly many?: number;
}

/** Options as the app would give them. */
export function optionsFor(url: string, more: Partial<BackendOptions> = {}): BackendOptions {
  return {
    url,
    appName: 'conformance',
    connectTimeout: 5,
    transportOptions: {},
    broker: { url, transportOptions: {} },
    oid: randomUUID(),
    expires: 3600,
    persistent: false,
    ...more,
  };
}

export interface Pair {
  /** The client that waits. */
  readonly reader: ResultBackend;
  /** The worker's. */
  readonly writer: ResultBackend;
  /** A result at rest, addressed to the reader. */
  readonly make: (id: string, state: string, more?: Partial<StoredResult>) => StoredResult;
  /** See BackendHarness. */
  readonly rewrites: boolean;
  readonly many: number;
}

/** Keeps a backend open until the test has ended. */
export function untilEnd(backend: ResultBackend): ResultBackend {
  onTestFinished(() => backend[Symbol.asyncDispose]());
  return backend;
}

/** Addresses results to a reader, where results are sent and not stored. */
export async function maker(reader: ResultBackend): Promise<Pair['make']> {
  const replyTo = await reader.replyTo?.();
  return (id, state, more = {}) => ({
    id,
    state,
    body: bodyOf(id, state),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    expires: 60,
    attempt: 1,
    ...(replyTo === undefined ? {} : { replyTo, correlationId: id }),
    ...more,
  });
}

/** The record as its serializer would write it. */
export function bodyOf(id: string, state: string, result: unknown = null): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ status: state, result, traceback: null, children: [], date_done: null, task_id: id }),
  );
}

/** Are these the bytes that were stored, or, where the store writes them anew, do they say the same? */
export function expectBody({ rewrites }: BackendHarness, found: Uint8Array | undefined, wanted: Uint8Array): void {
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
  if (rewrites !== true) {
    expect(text(found) === text(wanted)).toBe(true);
    return;
  }
  const said = (bytes: Uint8Array | undefined): unknown => ({
    ...(JSON.parse(text(bytes)) as object),
    children: null,
    date_done: null,
  });
  expect(said(found)).toEqual(said(wanted));
}

/** Reads until what is stored is what the claim says: sent results arrive a little later than stored ones. */
export async function eventually(backend: ResultBackend, id: string, state: string | undefined): Promise<void> {
  await vi.waitFor(async () => expect((await backend.get([id])).get(id)?.state).toBe(state), { timeout: 5000, interval: 10 });
}

/** Everything that a watch yields. */
export async function collect(watch: AsyncIterable<StoredResult>): Promise<StoredResult[]> {
  const all: StoredResult[] = [];
  for await (const result of watch) all.push(result);
  return all;
}

export const never: AbortSignal = new AbortController().signal;
