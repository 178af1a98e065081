// What is revoked, kept for workers that start later: where a backend keeps it, all of them do so alike.
import { describe, expect, it } from 'vitest';
import type { Pair } from './harness.ts';

const limits = { expires: 60, max: 10_000 };

/** The part of the suite about revokes. `id` gives a scope of the test's own. */
export function describeRevokes(pair: () => Pair, id: () => string): void {
  describe('revokes', () => {
    const texts = async (scope = id()): Promise<readonly string[] | undefined> =>
      (await pair().reader.revokes?.load(scope))?.map(({ text }) => text);

    it('are known to others, within their scope and their time', async () => {
      const { revokes } = pair().writer;
      if (revokes === undefined) return expect(pair().reader.revokes).toBeUndefined();
      await revokes.add(id(), ['["id","a"]', '["stamp","té","x y"]', `["id","${'long'.repeat(300)}"]`], limits);
      await revokes.add(`${id()}-other`, ['["id","b"]'], limits);
      await revokes.add(id(), [], limits);
      expect(new Set(await texts())).toEqual(new Set(['["id","a"]', '["stamp","té","x y"]', `["id","${'long'.repeat(300)}"]`]));
      expect(await texts(`${id()}-nobody`)).toEqual([]);
      const [first] = (await pair().reader.revokes?.load(`${id()}-other`)) ?? [];
      expect(Math.abs((first?.until ?? 0) - Date.now() / 1000 - 60)).toBeLessThan(10);
      await revokes.add(`${id()}-brief`, ['["id","c"]'], { ...limits, expires: -1 });
      expect(await texts(`${id()}-brief`)).toEqual([]);
    });

    it('are no more than allowed, the oldest go', async () => {
      const { revokes } = pair().writer;
      if (revokes === undefined) return expect(pair().reader.revokes).toBeUndefined();
      await revokes.add(id(), ['old', 'older'], { expires: 30, max: 3 });
      await revokes.add(id(), ['new', 'newer', 'newest'], { expires: 60, max: 3 });
      expect(new Set(await texts())).toEqual(new Set(['new', 'newer', 'newest']));
      await revokes.add(`${id()}-one-command`, ['a', 'b', 'c', 'd', 'e'], { expires: 60, max: 3 });
      expect(await texts(`${id()}-one-command`)).toHaveLength(3);
      const many = Array.from({ length: 2500 }, (_, index) => `["id","${index}"]`);
      await revokes.add(`${id()}-many`, many, limits);
      expect(new Set(await texts(`${id()}-many`))).toEqual(new Set(many));
    });
  });
}
