// What the embedded store and the one in memory keep: by age, by count and by bytes. The others keep by age only, and say so.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { openBackend, type ResultBackend, type Retention } from '../../../src/result/index.ts';
import { ConfigurationError } from '../../../src/util/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { bodyOf, maker, never, optionsFor, type Pair, untilEnd } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-retention-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const addresses: Readonly<Record<string, () => string>> = {
  memory: () => `memory://${randomUUID()}`,
  sqlite: () => `sqlite://${join(folder, `${randomUUID()}.db`)}`,
};

/** A client with limits on a store of the test's own, and how to make results. */
async function opened(
  url: string,
  retention: Retention,
): Promise<{ readonly backend: ResultBackend; readonly make: Pair['make'] }> {
  const backend = untilEnd(await openBackend(optionsFor(url, { retention })));
  return { backend, make: await maker(backend) };
}

const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `r${String(index).padStart(4, '0')}`);

async function kept(backend: ResultBackend, ids: readonly string[]): Promise<readonly string[]> {
  const found = await backend.get(ids);
  return ids.filter((id) => found.has(id));
}

describe.each(Object.keys(addresses))('retention on %s', (name) => {
  const url = (): string => addresses[name]!();

  it('keeps all there is without limits', async () => {
    const { backend, make } = await opened(url(), {});
    const ids = names(500);
    for (const id of ids) await backend.put([make(id, 'SUCCESS')]);
    expect(await kept(backend, ids)).toEqual(ids);
  });

  it('keeps the newest of as many results as it may, never more, and nearly as many', async () => {
    const { backend, make } = await opened(url(), { maxCount: 100 });
    const ids = names(350);
    for (let at = 0; at < ids.length; at += 7) {
      await backend.put(ids.slice(at, at + 7).map((id) => make(id, 'SUCCESS')));
      expect((await kept(backend, ids)).length).toBeLessThanOrEqual(100);
    }
    const left = await kept(backend, ids);
    expect(left).toEqual(ids.slice(-left.length));
    expect(left.length).toBeGreaterThanOrEqual(90);
  });

  it('keeps the newest of as many bytes as it may', async () => {
    const { backend, make } = await opened(url(), { maxBytes: 100_000 });
    const ids = names(300);
    const body = (id: string): Uint8Array => bodyOf(id, 'SUCCESS', 'x'.repeat(2000));
    for (const id of ids) await backend.put([make(id, 'SUCCESS', { body: body(id) })]);
    const left = await kept(backend, ids);
    const bytes = left.length * body(ids[0]!).byteLength;
    expect(bytes).toBeLessThanOrEqual(100_000);
    expect(bytes).toBeGreaterThan(85_000);
    expect(left).toEqual(ids.slice(-left.length));
  });

  it('counts what replaces a state as one, by its new size', async () => {
    const { backend, make } = await opened(url(), { maxBytes: 10_000, maxCount: 20 });
    await backend.put([make('first', 'SUCCESS')]);
    for (let round = 0; round < 50; round++)
      await backend.put([make('task', 'PROGRESS', { body: bodyOf('task', 'PROGRESS', 'x'.repeat(900 + round)) })]);
    expect(await kept(backend, ['first', 'task'])).toEqual(['first', 'task']);
  });

  it('gives a result larger than its limit to who waits, and keeps it until the next', async () => {
    const { backend, make } = await opened(url(), { maxBytes: 1000 });
    const iterator = backend.watch(['large'], never)[Symbol.asyncIterator]();
    const next = iterator.next();
    await backend.put([make('large', 'SUCCESS', { body: bodyOf('large', 'SUCCESS', 'x'.repeat(50_000)) })]);
    expect((await next).value?.id).toBe('large');
    expect(await kept(backend, ['large'])).toEqual(['large']);
    await backend.put([make('small', 'SUCCESS')]);
    expect(await kept(backend, ['large', 'small'])).toEqual(['small']);
  });

  it('holds for what others wrote before it, and forgets nothing twice', async () => {
    const address = url();
    const { backend: free, make } = await opened(address, {});
    const ids = names(200);
    await free.put(ids.map((id) => make(id, 'SUCCESS')));
    const { backend: limited } = await opened(address, { maxCount: 50 });
    await limited.forget(ids.slice(0, 20));
    await limited.put([make('last', 'SUCCESS')]);
    const left = await kept(limited, [...ids, 'last']);
    expect(left.length).toBeLessThanOrEqual(50);
    expect(left.at(-1)).toBe('last');
  });

  it('by age goes before: what has expired is gone at the next clean-up, and the rest stays', async () => {
    const { backend, make } = await opened(url(), { maxCount: 100 });
    await backend.put([make('old', 'SUCCESS', { expires: 0.05 }), make('kept', 'SUCCESS', { expires: undefined })]);
    await expect.poll(async () => kept(backend, ['old', 'kept']), { timeout: 5000 }).toEqual(['kept']);
    expect(await backend.cleanup?.()).toBe(name === 'memory' ? 0 : 1);
    expect(await kept(backend, ['old', 'kept'])).toEqual(['kept']);
  });
});

it('expired rows leave the embedded file with later writes, without a clean-up', async () => {
  const path = join(folder, 'rows.db');
  const { backend, make } = await opened(`sqlite://${path}`, {});
  await backend.groups?.put([{ id: 'g', body: bodyOf('g', 'SUCCESS'), contentType: '', contentEncoding: '', expires: 0.05 }]);
  await backend.put(names(100).map((id) => make(id, 'SUCCESS', { expires: 0.05 })));
  using look = new DatabaseSync(path, { readOnly: true });
  const rows = (table: string): number => Number(look.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
  expect([rows('lovage_results'), rows('lovage_groups')]).toEqual([100, 1]);
  let writes = 0;
  await expect
    .poll(
      async () => {
        await backend.put([make(`later-${++writes}`, 'SUCCESS')]);
        return [rows('lovage_results') - writes, rows('lovage_groups')];
      },
      { timeout: 10_000, interval: 100 },
    )
    .toEqual([0, 0]);
});

it.each(['redis', 'disabled'])('%s keeps by age only: a limit is refused when it is opened', async (name) => {
  const url = name === 'redis' ? redisUrl() : 'disabled://';
  for (const retention of [{ maxCount: 10 }, { maxBytes: 10 }])
    await expect(openBackend(optionsFor(url, { retention }))).rejects.toBeInstanceOf(ConfigurationError);
  await untilEnd(await openBackend(optionsFor(url, { retention: {} }))).check(AbortSignal.timeout(5000));
});
