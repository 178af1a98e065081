// The control command heap_snapshot: off by itself, and a file that only its owner reads where a folder is named.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Lovage, type SettingsInput } from '../../../src/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';

const NODE = 'a worker@h';

async function answer(settings: SettingsInput): Promise<unknown> {
  const url = `memory://${uuid()}`;
  await using app = new Lovage('shop', { brokerUrl: url, resultBackend: url, ...settings }, { environment: {} });
  await using _worker = await startWorker(app, { hostname: NODE, mingle: false, allowDuplicateName: true });
  return (await app.control.heapSnapshot({ wait: true, destination: [NODE], timeout: 20 }))[NODE];
}

it('is refused unless a folder is named for it', async () => {
  expect(await answer({})).toEqual({ error: expect.stringContaining('workerHeapSnapshotDir') as unknown });
});

it('writes a file that nobody else may read, and answers its name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lovage-heap-'));
  try {
    const { ok } = (await answer({ workerHeapSnapshotDir: join(folder, 'heaps') })) as { readonly ok: string };
    expect(ok).toMatch(new RegExp(`^${folder}/heaps/a_worker@h-${process.pid}-\\w+\\.heapsnapshot$`));
    const file = await stat(ok);
    expect([file.mode & 0o777, file.size > 100_000]).toEqual([0o600, true]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
