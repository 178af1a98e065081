// What follows a task and is over at once runs in the place of its message, without having been in the queue.
import { describe, expect, it } from 'vitest';
import type { Broker, Outgoing } from '../../../src/broker/index.ts';
import type { Outcome } from '../../../src/task/index.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { type Harness, harness, soon, success } from '../../support/worker-app.ts';
import { type Place, places } from './places.ts';

/** Where broker and results are one database, and results are what a test says. */
const WHERE = new Set(['sqlite, one file']);
const empty = { ready: 0, held: 0, parked: 0, dead: 0 };

/** A harness whose broker tells which messages were sent into the queue with the end of another. */
async function watched(place: Place): Promise<{ h: Harness; sent: string[] } & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const { brokerUrl: url } = await place(stack);
  const sent: string[] = [];
  const watch = (broker: Broker): Broker => ({
    ...broker,
    jointPublish: (messages) => {
      sent.push(...messages.map(({ headers }) => String(headers.id)));
      return broker.jointPublish!(messages);
    },
  });
  const h = stack.use(await harness({ url: url as string, broker: watch, concurrency: 2 }));
  return { h, sent, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function messageOf(h: Harness, task: string, id: string): Outgoing {
  return {
    exchange: '',
    routingKey: h.queue,
    headers: { lang: 'py', task, id, root_id: id, retries: 0 },
    properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
    body: Buffer.from('[[], {}, {}]'),
  };
}

/** `first` is followed by `second` under the id of the first and an `s`. */
function define(h: Harness, second: (id: string) => Partial<Outcome> | Promise<Partial<Outcome>>): void {
  h.task('first', (job) => success(job, { runtime: 0, next: [messageOf(h, 'second', `${job.request.id}s`)] }));
  h.task('second', async (job) => success(job, { runtime: 0, ...(await second(job.request.id)) }));
}

/** Runs one call to its end, so that the worker knows how long it takes. */
async function learn(h: Harness, task: string): Promise<void> {
  const id = await h.call(task);
  await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
}

describe.each(places.filter(([name]) => WHERE.has(name)))('%s', (_name, place) => {
  it('a follower that was over at once when it ran last never gets into the queue', async () => {
    await using here = await watched(place);
    const { h, sent } = here;
    define(h, () => ({}));
    await h.start();
    await learn(h, 'second');
    const id = await h.call('first');
    await soon(async () => expect(await h.state(`${id}s`)).toBe('SUCCESS'));
    expect(await h.state(id)).toBe('SUCCESS');
    expect(h.started.filter((one) => one.startsWith(id))).toEqual([id, `${id}s`]);
    expect(sent).toEqual([]);
    await soon(async () => expect(await h.counts()).toEqual(empty));
  });

  it('a follower that is not known, or took its time, is sent', async () => {
    await using here = await watched(place);
    const { h, sent } = here;
    let runtime = 0.5;
    define(h, () => ({ runtime }));
    await h.start();
    const unknown = await h.call('first');
    await soon(async () => expect(await h.state(`${unknown}s`)).toBe('SUCCESS'));
    runtime = 0;
    const slow = await h.call('first');
    await soon(async () => expect(await h.state(`${slow}s`)).toBe('SUCCESS'));
    expect(sent).toEqual([`${unknown}s`, `${slow}s`]);
    const quick = await h.call('first');
    await soon(async () => expect(await h.state(`${quick}s`)).toBe('SUCCESS'));
    expect(sent).toHaveLength(2);
  });

  it('what a task that failed leads to is sent', async () => {
    await using here = await watched(place);
    const { h, sent } = here;
    define(h, () => ({}));
    h.task('fails', (job) => outcomeOf('FAILURE', { runtime: 0, next: [messageOf(h, 'second', `${job.request.id}s`)] }));
    await h.start();
    await learn(h, 'second');
    const id = await h.call('fails');
    await soon(async () => expect(await h.state(`${id}s`)).toBe('SUCCESS'));
    expect(sent).toEqual([`${id}s`]);
  });

  it('what it follows is settled although it takes its time after all, and it comes back in its place', async () => {
    await using here = await watched(place);
    const { h, sent } = here;
    const opened = Promise.withResolvers<void>();
    let waits = false;
    define(h, async () => {
      if (waits) await opened.promise;
      return {};
    });
    const first = await h.start();
    await learn(h, 'second');
    waits = true;
    const id = await h.call('first');
    await soon(async () => expect(await h.state(id)).toBe('SUCCESS'));
    expect(await h.state(`${id}s`)).toBeUndefined();
    expect(await h.counts()).toEqual({ ...empty, held: 1 });
    // The worker goes without it; the next one starts the follower alone.
    const disposed = first[Symbol.asyncDispose]();
    waits = false;
    opened.resolve();
    await disposed;
    const others = h.started.length;
    await h.start();
    await soon(async () => expect(await h.state(`${id}s`)).toBe('SUCCESS'));
    expect(h.started.slice(others).filter((one) => one === id)).toEqual([]);
    expect(sent).toEqual([]);
    await soon(async () => expect(await h.counts()).toEqual(empty));
  });

  it('a task whose messages are acknowledged before it starts is always sent', async () => {
    await using here = await watched(place);
    const { h, sent } = here;
    h.task('first', (job) => success(job, { runtime: 0, next: [messageOf(h, 'second', `${job.request.id}s`)] }));
    h.task('second', (job) => success(job, { runtime: 0 }), { acksLate: false });
    await h.start();
    await learn(h, 'second');
    const id = await h.call('first');
    await soon(async () => expect(await h.state(`${id}s`)).toBe('SUCCESS'));
    expect(sent).toEqual([`${id}s`]);
  });

  it('what a task leads to that was started before is sent, so that the death of a worker is counted against its cause', async () => {
    await using here = await watched(place);
    const { h, sent } = here;
    define(h, () => ({}));
    await h.start();
    await learn(h, 'second');
    const id = await h.call('first', { 'x-lovage-attempts': 1 });
    await soon(async () => expect(await h.state(`${id}s`)).toBe('SUCCESS'));
    expect(sent).toEqual([`${id}s`]);
  });

  it('what follows a task runs although the end of another task, of the same moment, is written apart', async () => {
    await using here = await watched(place);
    const { h } = here;
    define(h, () => ({}));
    h.task('early', (job) => success(job, { runtime: 0 }), { acksLate: false });
    h.task('astray', (job) => success(job, { runtime: 0, next: [{ ...messageOf(h, 'second', 'a1'), exchange: 'nowhere' }] }));
    await h.start();
    await learn(h, 'second');
    for (const other of ['early', 'astray']) {
      const ids = [`${other}-other`, `${other}-first`];
      await h.publish(
        ...[other, 'first'].map((task, index) => ({
          headers: { lang: 'py', task, id: ids[index], root_id: ids[index], retries: 0 },
        })),
      );
      await soon(async () => expect(await h.state(`${other}-firsts`)).toBe('SUCCESS'));
    }
    await soon(async () => expect(await h.counts()).toMatchObject({ ready: 0, held: 0 }));
  });
});
