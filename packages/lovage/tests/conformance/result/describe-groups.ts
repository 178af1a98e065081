// Groups: waited for as one, saved and restored where the backend keeps things, refused in words where it does not.
import { describe, expect, it } from 'vitest';
import { type AnyResult, AsyncResult, GroupResult, type ResultRecord, type StoredGroup } from '../../../src/result/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { storesOf } from './describe-store.ts';
import { eventually, type Pair } from './harness.ts';

const saved = (id: string, more: Partial<StoredGroup> = {}): StoredGroup => ({
  id,
  body: new TextEncoder().encode(JSON.stringify({ result: [[id, null], [[['a', null], null]]] })),
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  expires: 60,
  ...more,
});

const ids = (results: Iterable<AnyResult>): string[] => Array.from(results, ({ id }) => id);

/** The part of the suite about groups. */
export function describeGroups(pair: () => Pair, id: () => string): void {
  describe('groups', () => {
    it('are waited for as one, whatever the order in which they end', async () => {
      const { reads, succeed } = storesOf(pair());
      const group = reads.group<[unknown, unknown, unknown]>(
        id(),
        ['a', 'b', 'c'].map((letter) => reads.result(`${id()}-${letter}`)) as [AsyncResult, AsyncResult, AsyncResult],
      );
      await succeed(`${id()}-b`, 2);
      const all = group.get({ timeout: 10 });
      await succeed(`${id()}-c`, 3);
      await succeed(`${id()}-a`, 1);
      expect(await all).toEqual([1, 2, 3]);
      expect([await group.ready(), await group.successful(), await group.completedCount()]).toEqual([true, true, 3]);
    });

    it('of many members give all their values', async () => {
      const { many } = pair();
      const { reads, succeedAll } = storesOf(pair());
      const names = Array.from({ length: many }, (_, index) => `${id()}-${index}`);
      const all = reads.set(names).get({ timeout: 20 });
      await succeedAll(names.slice(many / 2));
      await succeedAll(names.slice(0, many / 2));
      expect(await all).toEqual(names);
    });

    it('give their members as they end', async () => {
      const { reads, succeed } = storesOf(pair());
      const order: string[] = [];
      await succeed(`${id()}-b`, 2);
      for await (const member of reads.set([`${id()}-a`, `${id()}-b`]).asCompleted({ timeout: 10 })) {
        order.push(member.id);
        if (order.length === 1) await succeed(`${id()}-a`, 1);
      }
      expect(order).toEqual([`${id()}-b`, `${id()}-a`]);
    });

    it('forget their members', async () => {
      const { reads, succeed } = storesOf(pair());
      const group = reads.group(id(), [reads.result(`${id()}-a`)]);
      await succeed(`${id()}-a`, 1);
      await group.get({ timeout: 10 });
      await group.forget();
      expect(await group.ready()).toBe(false);
    });

    it('are told of every state meanwhile where the store tells of states, else refuse', async () => {
      const { reads, write, succeed } = storesOf(pair());
      const seen: ResultRecord[] = [];
      const wait = reads.result(id()).get({ timeout: 10, onMessage: (record) => seen.push(record) });
      if (pair().reader.features.messages !== true) return expect(wait).rejects.toBeInstanceOf(ConfigurationError);
      // Seen through first, so that the wait has begun before the next state is stored.
      await expect
        .poll(async () => {
          await write(id(), { status: 'PROGRESS', result: { current: 1 } });
          return seen.length;
        })
        .toBeGreaterThan(0);
      await succeed(id(), 'end');
      expect(await wait).toBe('end');
      expect(seen[0]).toMatchObject({ id: id(), state: 'PROGRESS', value: { current: 1 } });
      expect(seen.every(({ state }) => state === 'PROGRESS')).toBe(true);
    });

    it('are saved and restored with their members, nested groups and steps before, where groups can be kept', async () => {
      const { reads, writes, succeed } = storesOf(pair());
      const before = reads.result(`${id()}-before`);
      const inner = reads.group(`${id()}-inner`, [reads.result(`${id()}-b`), reads.result(`${id()}-c`)]);
      const group = reads.group<[unknown, unknown[]]>(id(), [reads.result(`${id()}-a`, { parent: before }), inner], {
        parent: before,
      });
      if (pair().reader.groups === undefined) return expect(group.save()).rejects.toBeInstanceOf(ConfigurationError);
      expect(await writes.restoreGroup(id())).toBeUndefined();
      await group.save();
      const again = await writes.restoreGroup<[unknown, unknown[]]>(id());
      expect(again?.asTuple()).toEqual(group.asTuple());
      expect(again?.members[0]).toBeInstanceOf(AsyncResult);
      expect(again?.members[1]).toBeInstanceOf(GroupResult);
      expect([again?.parent?.id, again?.members[0].parent?.id]).toEqual([before.id, before.id]);
      for (const letter of ['a', 'b', 'c']) await succeed(`${id()}-${letter}`, letter);
      expect(await again?.get({ timeout: 10 })).toEqual(['a', ['b', 'c']]);
      await again?.delete();
      expect(await reads.restoreGroup(id())).toBeUndefined();
      expect(await again?.ready()).toBe(true);
    });

    it('without members are groups again when they are restored', async () => {
      const { reads } = storesOf(pair());
      const empty = reads.group(id(), []);
      if (pair().reader.groups === undefined) return expect(reads.restoreGroup(id())).rejects.toBeInstanceOf(ConfigurationError);
      await empty.save();
      const again = await reads.restoreGroup(id());
      expect(again).toBeInstanceOf(GroupResult);
      expect(await again?.get()).toEqual([]);
    });
  });

  describe('kept groups', () => {
    it('are found by id, several in one call, with their bytes as they were', async () => {
      const { reader, writer, rewrites } = pair();
      if (reader.groups === undefined || writer.groups === undefined) return expect(reader.features.persistent).toBe(rewrites);
      await writer.groups.put([saved(id()), saved(`${id()}-b`)]);
      const found = await reader.groups.get([id(), `${id()}-b`, 'unknown']);
      expect(ids([...found.values()] as never)).toEqual([id(), `${id()}-b`]);
      expect(Buffer.from(found.get(id())?.body ?? []).equals(saved(id()).body)).toBe(true);
      expect(await reader.groups.get([])).toEqual(new Map());
    });

    it('are replaced, and deleted', async () => {
      const { reader, writer, rewrites } = pair();
      if (reader.groups === undefined || writer.groups === undefined) return expect(reader.features.persistent).toBe(rewrites);
      const other = saved(id(), { body: new TextEncoder().encode('{"result": "x"}') });
      await writer.groups.put([saved(id())]);
      await writer.groups.put([other]);
      expect(Buffer.from((await reader.groups.get([id()])).get(id())?.body ?? []).toString()).toBe('{"result": "x"}');
      await writer.groups.delete([id(), 'unknown']);
      expect((await reader.groups.get([id()])).size).toBe(0);
      await writer.groups.put([]);
      await writer.groups.delete([]);
    });

    it('expire, and live apart from the result of the same id', async () => {
      const { reader, writer, make, rewrites } = pair();
      if (reader.groups === undefined || writer.groups === undefined) return expect(reader.features.persistent).toBe(rewrites);
      const { groups } = reader;
      await writer.put([make(id(), 'SUCCESS')]);
      await writer.groups.put([saved(id(), { expires: 0.2 }), saved(`${id()}-kept`, { expires: undefined })]);
      if (!reader.features.autoExpire) return expect((await groups.get([`${id()}-kept`])).size).toBe(1);
      await expect.poll(async () => (await groups.get([id()])).size, { timeout: 5000 }).toBe(0);
      expect((await groups.get([`${id()}-kept`])).size).toBe(1);
      await eventually(reader, id(), 'SUCCESS');
    });
  });
}
