// The examples of every docs/guide-*.md: all compile, in one go, and each prints what its comments say beside a worker.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, test } from 'vitest';
import { guidePages, type UnpackedGuides, unpackGuides } from '../support/guide.ts';

const run = promisify(execFile);

/** Workers that an example needs for what it says; all others run in this thread. */
const WORKERS: Readonly<Record<string, string>> = {
  'guide-pools.md': "{ pool: 'prefork', concurrency: 2, module: import.meta.resolve('./tasks.ts') }",
};

const guides: UnpackedGuides = unpackGuides(guidePages(), WORKERS);
afterAll(() => guides[Symbol.dispose]());

// The compiler takes longer to read the library than to check a page.
test('the examples of all guides compile', async () => {
  await run(process.execPath, guides.compiler, { cwd: guides.folder }).catch((error: { readonly stdout?: string }) => {
    throw new Error(error.stdout ?? String(error));
  });
}, 60_000);

test.concurrent.for([...guides.pages])(
  'the examples of %s print what they say',
  { timeout: 60_000 },
  async ([, guide], { expect }) => {
    // One that waits for ever is ended with its test.
    const options = { cwd: guide.folder, env: guides.environment, timeout: 55_000, killSignal: 'SIGKILL' } as const;
    const { stdout } = await run(process.execPath, [guide.runner], options);
    expect(JSON.parse(stdout)).toEqual(guide.expected);
  },
);
