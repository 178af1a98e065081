// The README, followed to the letter: its first minute on the embedded default, and its Python lines against a private Redis.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findBinary, installPackages, startRedis } from '../../../../scripts/servers/index.ts';
import { ensureBuilt } from '../support/program.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../../..');
const LOVAGE = join(ROOT, 'packages/lovage/bin/lovage.js');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'lovage-readme-'));
const children: ChildProcess[] = [];

/** The first code block of a language that contains `needle`. */
function block(language: string, needle: string): string {
  const blocks = [...README.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code as string);
  const found = blocks.find((code) => code.includes(needle));
  if (found === undefined) throw new Error(`The README has no ${language} block with ${needle}.`);
  return found;
}

async function worker(env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(process.execPath, [LOVAGE, '-A', 'tasks.ts', 'worker', '-c', '50'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let log = '';
  await new Promise<void>((ready, reject) => {
    const hear = (chunk: Buffer): void => {
      log += chunk.toString();
      if (log.includes(' ready.')) ready();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', () => reject(new Error(`The worker ended:\n${log}`)));
  });
}

beforeAll(async () => {
  ensureBuilt();
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
  writeFileSync(join(folder, 'package-lock.json'), '{}');
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'packages/lovage'), join(folder, 'node_modules/lovage'));
  writeFileSync(join(folder, 'tasks.ts'), block('ts', "new Lovage('shop')"));
});

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null) continue;
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

test('the first minute: a worker, a call from the shell, a call from a program', async () => {
  await worker({ ...process.env });
  const call = block('sh', 'call shop.resize')
    .split('\n')
    .find((line) => line.includes('call')) as string;
  const args = [...call.replace('npx lovage ', '').matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
  const { stdout } = await run(process.execPath, [LOVAGE, ...args], { cwd: folder });
  expect(JSON.parse(stdout)).toMatchObject({ path: 'cat.png', width: 320 });

  writeFileSync(join(folder, 'program.ts'), block('ts', "from './tasks.ts'"));
  const program = await run(process.execPath, [join(folder, 'program.ts')], { cwd: folder });
  expect(program.stdout).toContain("path: 'cat.png', width: 320");
});

test('a task written in TypeScript is called from Python', async () => {
  if (findBinary('/usr/lib/python3/dist-packages/celery/__init__.py') === undefined)
    installPackages(['python3-celery', 'python3-redis'], 'Python');
  await using redis = await startRedis();
  const { PYTHONPATH: _, ...inherited } = process.env;
  const env = { ...inherited, LOVAGE_BROKER_URL: redis.url, LOVAGE_RESULT_BACKEND: redis.url };
  await worker(env);
  const { stdout } = await run('/usr/bin/python3', ['-c', block('python', 'send_task')], { cwd: folder, env });
  expect(stdout).toMatch(/'path': 'cat.png', 'width': 320/);
});
