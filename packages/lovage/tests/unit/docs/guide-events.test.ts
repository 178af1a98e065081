// The examples of docs/guide-events.md: each compiles, and prints what its comments say.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { unpackGuide } from './guide.ts';

const run = promisify(execFile);

test('the examples of the guide to events compile, and print what they say', async () => {
  using guide = unpackGuide('docs/guide-events.md');
  await run(process.execPath, guide.compiler, { cwd: guide.folder }).catch((error: { readonly stdout?: string }) => {
    throw new Error(error.stdout ?? String(error));
  });
  const { stdout } = await run(process.execPath, [guide.runner], { cwd: guide.folder, env: guide.environment });
  expect(JSON.parse(stdout)).toEqual(guide.expected);
}, 60_000);
