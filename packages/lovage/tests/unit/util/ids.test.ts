import { expect, test } from 'vitest';
import { uuid } from '../../../src/util/index.ts';

test('ids are UUIDs of version 4, each once, and every free bit is used', () => {
  const ids = Array.from({ length: 10_000 }, uuid);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.filter((id) => !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toEqual([]);
  for (const place of [...'xxxxxxxx-xxxx-4xxx-nxxx-xxxxxxxxxxxx'].keys()) {
    const seen = new Set(ids.map((id) => id[place])).size;
    const fixed = place === 8 || place === 13 || place === 14 || place === 18 || place === 23;
    expect([place, seen]).toEqual([place, fixed ? 1 : place === 19 ? 4 : 16]);
  }
});
