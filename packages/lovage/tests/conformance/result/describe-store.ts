// The same backend behind the store and its handles: what users see.
import { describe, expect, it, onTestFinished } from 'vitest';
import { createErrorRegistry, type ResultMeta } from '../../../src/protocol/index.ts';
import {
  type AsyncResult,
  createResultCodec,
  type ResultCodec,
  ResultStore,
  type StoredResult,
} from '../../../src/result/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { ConfigurationError, RemoteTaskError, ResultTimeoutError } from '../../../src/util/index.ts';
import type { Pair } from './harness.ts';

class CardDeclinedError extends Error {
  readonly cents: number;
  constructor(message: string, cents: number) {
    super(message);
    this.name = 'CardDeclinedError';
    this.cents = cents;
  }
}

function codec(serializer: string): ResultCodec {
  const serialization = createSerialization();
  const errors = createErrorRegistry();
  errors.register({
    class: CardDeclinedError,
    module: 'shop.errors',
    type: 'CardDeclined',
    toArgs: (error) => [error.message, error.cents],
    fromArgs: ([message, cents]) => new CardDeclinedError(String(message), Number(cents)),
  });
  return createResultCodec({
    serialization,
    serializer,
    accept: serialization.accept(['json', 'msgpack', 'yaml']),
    expires: 60,
    errors,
  });
}

interface Both {
  /** The client's store. */
  readonly reads: ResultStore;
  readonly result: AsyncResult<unknown>;
  /** Stores a record as a worker would. */
  write(meta: Omit<ResultMeta, 'taskId'>): Promise<readonly string[]>;
}

/** A store on each side of the pair. */
function both({ reader, writer, make }: Pair, id: string, serializer = 'json'): Both {
  const reads = new ResultStore(async () => reader, codec(serializer));
  const writes = new ResultStore(async () => writer, codec(serializer));
  onTestFinished(() => writes.close());
  const { replyTo, correlationId } = make(id, 'SUCCESS');
  return {
    reads,
    result: reads.result(id),
    write: (meta) => writes.put([writes.encode({ taskId: id, ...meta }, { attempt: 1, replyTo, correlationId })]),
  };
}

/** The stores of a pair, for tests of several results. */
export function storesOf({ reader, writer, make }: Pair): {
  readonly reads: ResultStore;
  readonly writes: ResultStore;
  write(id: string, meta: Omit<ResultMeta, 'taskId'>): Promise<void>;
  succeed(id: string, value: unknown): Promise<void>;
  /** Each with its own id as value, in one call. */
  succeedAll(ids: readonly string[]): Promise<void>;
} {
  const reads = new ResultStore(async () => reader, codec('json'));
  const writes = new ResultStore(async () => writer, codec('json'));
  onTestFinished(() => writes.close());
  const encode = (id: string, meta: Omit<ResultMeta, 'taskId'>): StoredResult => {
    const { replyTo } = make(id, 'SUCCESS');
    return writes.encode({ taskId: id, ...meta }, { attempt: 1, replyTo, correlationId: id });
  };
  const write = async (id: string, meta: Omit<ResultMeta, 'taskId'>): Promise<void> =>
    void (await writes.put([encode(id, meta)]));
  return {
    reads,
    writes,
    write,
    succeed: (id, result) => write(id, { status: 'SUCCESS', result }),
    succeedAll: async (ids) => void (await writes.put(ids.map((id) => encode(id, { status: 'SUCCESS', result: id })))),
  };
}

/** The part of the suite about handles. */
export function describeStore(pair: () => Pair, id: () => string): void {
  describe('AsyncResult', () => {
    for (const serializer of ['json', 'msgpack', 'yaml']) {
      it(`gets a value that was stored before, as ${serializer}`, async () => {
        const { write, result } = both(pair(), id(), serializer);
        await write({ status: 'SUCCESS', result: { deep: [1, 'ü', null, true, 1.5] } });
        expect(await result.get({ timeout: 10 })).toEqual({ deep: [1, 'ü', null, true, 1.5] });
        expect(await result.successful()).toBe(true);
      });
    }

    it('gets a value that is stored while many wait', async () => {
      const { write, result, reads } = both(pair(), id());
      const waits = Array.from({ length: 50 }, () => reads.result(id()).get({ timeout: 10 }));
      await write({ status: 'STARTED', result: { pid: 1 } });
      await write({ status: 'SUCCESS', result: 42 });
      expect(new Set(await Promise.all([...waits, result.get()]))).toEqual(new Set([42]));
    });

    it('throws the error of a failed task with its type, module, message and traceback', async () => {
      const { write, result } = both(pair(), id());
      const exception = { exc_type: 'MyError', exc_message: [42, 'why'], exc_module: 'proj' };
      await write({ status: 'FAILURE', result: exception, traceback: 'Traceback …' });
      const error = await result.get({ timeout: 10 }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(RemoteTaskError);
      expect(error).toMatchObject({
        name: 'MyError',
        excModule: 'proj',
        excMessage: [42, 'why'],
        remoteTraceback: 'Traceback …',
      });
      expect(await result.get({ propagate: false })).toBe(error);
      expect(await result.failed()).toBe(true);
      expect(await result.traceback()).toBe('Traceback …');
    });

    it('throws a registered error as its own class', async () => {
      const { write, result } = both(pair(), id());
      await write({ status: 'FAILURE', result: new CardDeclinedError('no funds', 1200) });
      const error = await result.get({ timeout: 10 }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(CardDeclinedError);
      expect(error).toMatchObject({ message: 'no funds', cents: 1200, excModule: 'shop.errors', excType: 'CardDeclined' });
    });

    it('throws for a revoked task', async () => {
      const { write, result } = both(pair(), id());
      const revoked = { exc_type: 'TaskRevokedError', exc_message: ['expired'], exc_module: 'celery.exceptions' };
      await write({ status: 'REVOKED', result: revoked });
      await expect(result.get({ timeout: 10 })).rejects.toMatchObject({ name: 'TaskRevokedError', message: 'expired' });
      expect([await result.ready(), await result.failed()]).toEqual([true, false]);
    });

    it('shows a custom state and what it says', async () => {
      const { write, result } = both(pair(), id());
      expect(await result.state()).toBe('PENDING');
      expect(await result.exists()).toBe(false);
      await write({ status: 'PROGRESS', result: { current: 1, total: 4 } });
      await expect.poll(() => result.state(), { timeout: 5000 }).toBe('PROGRESS');
      expect(await result.info()).toEqual({ current: 1, total: 4 });
      expect([await result.exists(), await result.ready()]).toEqual([true, false]);
    });

    it('shows what an extended result tells', async () => {
      const { write, result } = both(pair(), id());
      const done = '2026-01-02T03:04:05.678901+00:00';
      await write({
        status: 'SUCCESS',
        result: 3,
        dateDone: done,
        children: [{ id: 'child' }],
        parentId: 'parent',
        groupId: 'group',
        ...{ name: 'shop.add', args: [1], kwargs: { y: 2 }, worker: 'celery@a', retries: 2, queue: 'orders' },
      });
      await result.get({ timeout: 10 });
      expect(await result.record()).toMatchObject({
        ...(pair().rewrites ? {} : { parentId: 'parent', groupId: 'group' }),
        kwargs: { y: 2 },
        worker: 'celery@a',
      });
      expect([await result.name(), await result.args(), await result.retries(), await result.queue()]).toEqual([
        'shop.add',
        [1],
        2,
        'orders',
      ]);
      expect(await result.dateDone()).toEqual(new Date('2026-01-02T03:04:05.678Z'));
      expect((await result.children()).map((child) => child.id)).toEqual(pair().rewrites ? [] : ['child']);
    });

    it('gives up after its timeout and leaves the task alone', async () => {
      const { write, result } = both(pair(), id());
      await expect(result.get({ timeout: 0.05 })).rejects.toBeInstanceOf(ResultTimeoutError);
      await write({ status: 'SUCCESS', result: 'late' });
      expect(await result.get({ timeout: 10 })).toBe('late');
    });

    it('gives up when its signal aborts, with the signal’s reason', async () => {
      const { result } = both(pair(), id());
      const reason = new ConfigurationError('enough');
      const stop = new AbortController();
      const waiting = result.get({ signal: stop.signal, timeout: 30 });
      stop.abort(reason);
      await expect(waiting).rejects.toBe(reason);
    });

    it('throws the error of a failed parent, although the task itself gets no record', async () => {
      const parentId = `${id()}-parent`;
      const { reads } = both(pair(), id());
      const parent = both(pair(), parentId);
      const child = reads.result(id(), { parent: reads.result(parentId) });
      const waiting = expect(child.get({ timeout: 10 })).rejects.toThrow('no such file');
      await parent.write({ status: 'FAILURE', result: new TypeError('no such file') });
      await waiting;
    });

    it('forgets', async () => {
      const { write, result } = both(pair(), id());
      await write({ status: 'SUCCESS', result: 1 });
      await result.get({ timeout: 10 });
      await result.forget();
      expect(await result.state()).toBe('PENDING');
    });
  });
}
