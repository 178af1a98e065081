// Waiting: before and after a result lands, by one and by many, over a lost connection, and given up.
import { describe, expect, it, vi } from 'vitest';
import type { StoredResult } from '../../../src/result/index.ts';
import { type BackendHarness, collect, eventually, never, type Pair } from './harness.ts';

/** Starts a watch and lets it settle into waiting, by seeing a first id through it. */
async function waiting(
  pair: Pair,
  ids: readonly string[],
  signal: AbortSignal = never,
): Promise<{ readonly rest: Promise<StoredResult[]> }> {
  const { reader, writer, make } = pair;
  const first = `${ids[0]}-first`;
  await writer.put([make(first, 'SUCCESS')]);
  const iterator = reader.watch([first, ...ids], signal)[Symbol.asyncIterator]();
  expect((await iterator.next()).value?.id).toBe(first);
  const rest = collect({ [Symbol.asyncIterator]: () => iterator });
  rest.catch(() => undefined);
  return { rest };
}

/** The part of the suite about `watch`. */
export function describeWatch(harness: BackendHarness, pair: () => Pair, id: () => string): void {
  describe('watch', () => {
    it('yields what was there before', async () => {
      const { reader, writer, make } = pair();
      await writer.put([make(id(), 'FAILURE')]);
      const all = await collect(reader.watch([id()], never));
      expect(all.map((result) => result.state)).toEqual(['FAILURE']);
    });

    it('yields what lands later, and passes over states that are no end', async () => {
      const { writer, make } = pair();
      const { rest } = await waiting(pair(), [id()]);
      await writer.put([make(id(), 'STARTED')]);
      await writer.put([make(id(), 'PROGRESS')]);
      await writer.put([make(id(), 'SUCCESS')]);
      expect((await rest).map((result) => result.state)).toEqual(['SUCCESS']);
    });

    it('yields each id once, however often it is named, and ends when all have come', async () => {
      const { reader, writer, make } = pair();
      const other = `${id()}-other`;
      await writer.put([make(id(), 'SUCCESS'), make(other, 'REVOKED')]);
      const all = await collect(reader.watch([id(), other, id()], never));
      expect(all.map((result) => result.id).toSorted()).toEqual([id(), other].toSorted());
    });

    it('ends at once for no ids', async () => {
      expect(await collect(pair().reader.watch([], never))).toEqual([]);
    });

    it('serves many who wait for one id', async () => {
      const { reader, writer, make } = pair();
      const { rest } = await waiting(pair(), [id()]);
      const others = Array.from({ length: 20 }, () => collect(reader.watch([id()], never)));
      await writer.put([make(id(), 'SUCCESS')]);
      const all = await Promise.all([rest, ...others]);
      expect(all.map((results) => results.map((result) => result.id))).toEqual(Array.from({ length: 21 }, () => [id()]));
    });

    it('serves those who wait although another gave up', async () => {
      const { writer, make } = pair();
      const stop = new AbortController();
      const kept = await waiting(pair(), [id()]);
      const left = await waiting(pair(), [id(), `${id()}-b`], stop.signal);
      stop.abort(new Error('enough'));
      await expect(left.rest).rejects.toThrow('enough');
      await writer.put([make(id(), 'SUCCESS')]);
      expect(await kept.rest).toHaveLength(1);
    });

    it('throws the reason of its signal, before and while it waits', async () => {
      const { reader } = pair();
      await expect(collect(reader.watch([id()], AbortSignal.abort(new Error('before'))))).rejects.toThrow('before');
      const stop = new AbortController();
      const { rest } = await waiting(pair(), [id()], stop.signal);
      stop.abort(new Error('meanwhile'));
      await expect(rest).rejects.toThrow('meanwhile');
    });

    it('waits again for an id that it was waiting for before', async () => {
      const { writer, make } = pair();
      const stop = new AbortController();
      const { rest } = await waiting(pair(), [id()], stop.signal);
      stop.abort(new Error('enough'));
      await expect(rest).rejects.toThrow('enough');
      const again = await waiting(pair(), [id()]);
      await writer.put([make(id(), 'SUCCESS')]);
      expect(await again.rest).toHaveLength(1);
    });

    it('goes on over a lost connection', async () => {
      const { reader, writer, make } = pair();
      const { rest } = await waiting(pair(), [id(), `${id()}-b`]);
      await harness.cut?.();
      await vi.waitFor(() => writer.put([make(id(), 'SUCCESS')]), { timeout: 20_000, interval: 50 });
      await eventually(reader, id(), 'SUCCESS');
      await writer.put([make(`${id()}-b`, 'SUCCESS')]);
      expect((await rest).map((result) => result.state)).toEqual(['SUCCESS', 'SUCCESS']);
    });

    it('throws when its backend is closed', async () => {
      const { rest } = await waiting(pair(), [id()]);
      await pair().reader[Symbol.asyncDispose]();
      await expect(rest).rejects.toThrow(/closed/);
    });
  });
}
