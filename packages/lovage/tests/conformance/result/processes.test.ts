// A result stored here is heard of in another process, whose wait keeps it alive, and which ends when it has what it waited for.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type BackendOptions, openBackend } from '../../../src/result/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { bodyOf, maker, optionsFor, untilEnd } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-results-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const backends: Record<string, () => BackendOptions> = {
  sqlite: () => optionsFor(`sqlite://${join(folder, 'results.db')}`),
  redis: () => optionsFor(redisUrl()),
};

function startReader(options: BackendOptions, id: string) {
  const script = fileURLToPath(new URL('./reader.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify({ options, id })], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { ended: once(child, 'exit') as Promise<[number | null]>, line: async () => String((await lines.next()).value) };
}

describe.each(Object.entries(backends))('a reader in another process, on %s', (_, options) => {
  it('waits for what lands later', async () => {
    const id = randomUUID();
    const writer = untilEnd(await openBackend(options()));
    const make = await maker(writer);
    const reader = startReader(options(), id);
    expect(await reader.line()).toBe('PENDING');
    await writer.put([make(id, 'SUCCESS', { body: bodyOf(id, 'SUCCESS', [1, 'ü']) })]);
    expect(await reader.line()).toBe('[1,"ü"]');
    expect((await reader.ended)[0]).toBe(0);
  });

  it('finds what was there before', async () => {
    const id = randomUUID();
    const writer = untilEnd(await openBackend(options()));
    const make = await maker(writer);
    await writer.put([make(id, 'SUCCESS', { body: bodyOf(id, 'SUCCESS', 7) })]);
    const reader = startReader(options(), id);
    expect([await reader.line(), await reader.line()]).toEqual(['SUCCESS', '7']);
    expect((await reader.ended)[0]).toBe(0);
  });
});
