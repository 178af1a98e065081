// What a store refuses belongs to another attempt: what would follow our own is not sent. Our own bytes, stored twice, are ours.
import { describe, expect, it, vi } from 'vitest';
import type { Outgoing } from '../../../src/broker/index.ts';
import { attemptNumber, type ResultBackend, type StoredResult } from '../../../src/result/index.ts';
import type { Job } from '../../../src/task/index.ts';
import { type Harness, harness, soon, storedOf, success } from '../../support/worker-app.ts';

const follower = (h: Harness, body: Uint8Array): Outgoing => ({
  exchange: '',
  routingKey: h.queue,
  headers: { task: 'second', id: 'follower' },
  properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
  body,
});

/** The same store under another database, so that results and acks are no joint commit. */
function apart(backend: ResultBackend, get: () => void): ResultBackend {
  return {
    name: backend.name,
    url: backend.url,
    features: backend.features,
    put: (results) => backend.put(results),
    get: (ids) => {
      get();
      return backend.get(ids);
    },
    watch: (ids, signal) => backend.watch(ids, signal),
    forget: (ids) => backend.forget(ids),
    check: (signal) => backend.check(signal),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

/** Runs a task whose result is stored already as `stored` says when it ends. */
async function run(stored: (own: StoredResult) => StoredResult): Promise<{ ran: readonly string[]; reads: number }> {
  const get = vi.fn();
  await using h = await harness({ backend: (backend) => apart(backend, get) });
  h.task('first', async (job: Job) => {
    const outcome = success(job, { next: [follower(h, job.body)] });
    await h.backend.put(outcome.results.map(stored));
    return outcome;
  });
  h.task('second', (job) => success(job));
  await h.start();
  const id = await h.call('first');
  await soon(async () => expect(await h.counts()).toEqual({ ready: 0, held: 0, parked: 0, dead: 0 }));
  return { ran: h.started.map((started) => (started === id ? 'first' : started)), reads: get.mock.calls.length };
}

describe('a result that the store refuses', () => {
  it('belongs to another attempt, whose followers are not sent twice', async () => {
    expect(await run(({ id }) => ({ ...storedOf(id, 'SUCCESS', attemptNumber(0, 1)), body: new Uint8Array([1]) }))).toEqual({
      ran: ['first'],
      reads: 0,
    });
  });

  it('is ours when the very same bytes are stored', async () => {
    expect(await run((own) => own)).toEqual({ ran: ['first', 'follower'], reads: 0 });
  });
});
