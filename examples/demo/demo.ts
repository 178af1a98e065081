// `npm run demo [-- FOLDER]`: one task for each text file of a folder, run by a worker in a second process, on the embedded default.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { styleText } from 'node:util';
import { app, count, flaky } from './tasks.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const LOVAGE = join(ROOT, 'packages/lovage/bin/lovage.js');
const SKIPPED = new Set(['node_modules', '.git', '.node', 'dist', '.lovage']);
const MAX_BYTES = 2_000_000;
const bold = (text: string): string => styleText('bold', text);
const dim = (text: string): string => styleText('dim', text);

/** Text files: no NUL byte in the first kilobyte. A folder that is not there has none. */
function textFiles(folder: string): readonly string[] {
  const found: string[] = [];
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return found;
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) found.push(...textFiles(path));
    else if (entry.isFile() && statSync(path).size <= MAX_BYTES && !readFileSync(path).subarray(0, 1024).includes(0))
      found.push(path);
  }
  return found;
}

function showCode(): void {
  console.log(dim('examples/demo/tasks.ts'));
  for (const line of readFileSync(join(import.meta.dirname, 'tasks.ts'), 'utf8')
    .trimEnd()
    .split('\n'))
    console.log(`  ${styleText('cyan', line)}`);
  console.log();
}

/** A worker in a process of its own, and the lines that it logs about retries. */
async function startWorkerProcess(onRetry: (line: string) => void): Promise<AsyncDisposable> {
  const args = ['-A', join(import.meta.dirname, 'tasks.ts'), '-q', 'worker', '-l', 'INFO', '-n', 'demo@%h'];
  console.log(dim(`$ npx lovage -A examples/demo/tasks.ts worker`));
  const child = spawn(process.execPath, [LOVAGE, ...args], { stdio: ['ignore', 'inherit', 'pipe'] });
  const { promise: ready, resolve: isReady, reject } = Promise.withResolvers<void>();
  let log = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    log += `${line}\n`;
    if (line.includes(' ready.')) isReady();
    if (line.includes(' retry: ')) onRetry(line.slice(line.indexOf('Task ')));
  });
  child.once('exit', (code) => reject(new Error(`The worker ended with code ${code}:\n${log}`)));
  await ready;
  return {
    [Symbol.asyncDispose]: async () => {
      child.removeAllListeners('exit');
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

function drawProgress(done: number, total: number): void {
  if (process.stdout.isTTY !== true) return;
  const filled = Math.round((done / total) * 40);
  process.stdout.write(`\r${styleText('green', '█'.repeat(filled))}${dim('░'.repeat(40 - filled))} ${done}/${total} `);
  if (done === total) process.stdout.write('\n');
}

type Counted = Exclude<Awaited<ReturnType<Awaited<ReturnType<typeof count.delay>>['get']>>, Error>;

function showOutcome(results: readonly Counted[], folder: string, seconds: number): void {
  const sum = (of: (result: Counted) => number): string =>
    results.reduce((total, result) => total + of(result), 0).toLocaleString('en');
  console.log(
    `\n${bold(`${results.length} files`)}, ${sum(({ lines }) => lines)} lines, ${sum(({ words }) => words)} words of four letters or more, in ${seconds.toFixed(2)} s`,
  );
  const words = new Map<string, number>();
  for (const { top } of results) for (const [word, times] of top) words.set(word, (words.get(word) ?? 0) + times);
  const frequent = [...words].sort(([, a], [, b]) => b - a).slice(0, 8);
  const widest = frequent[0]?.[1] ?? 1;
  console.log(bold('\nMost frequent words'));
  for (const [word, times] of frequent)
    console.log(
      `  ${word.padEnd(14)} ${styleText('green', '▇'.repeat(Math.max(1, Math.round((times / widest) * 30))))} ${times}`,
    );
  console.log(bold('\nLongest files'));
  for (const result of [...results].sort((a, b) => b.lines - a.lines).slice(0, 5))
    console.log(`  ${String(result.lines).padStart(7)} lines  ${relative(folder, result.path)}`);
}

async function main(): Promise<void> {
  const folder = resolve(process.argv[2] ?? ROOT);
  const files = textFiles(folder);
  if (files.length === 0) {
    console.error(`There is no text file in ${folder}. Give a folder that has some: npm run demo -- FOLDER`);
    process.exitCode = 1;
    return;
  }
  showCode();
  const retries: string[] = [];
  await using _worker = await startWorkerProcess((line) => retries.push(line));

  console.log(dim(`\n${files.length} text files in ${folder}: one task each, all sent at once\n`));
  const began = performance.now();
  const unlucky = await flaky.delay(relative(folder, files[0] ?? ''));
  const sent = await Promise.all(files.map((file) => count.delay(file)));
  let done = 0;
  const results = await Promise.all(
    sent.map(async (result) => {
      const value = await result.get({ timeout: 120 });
      drawProgress(++done, files.length);
      return value;
    }),
  );
  showOutcome(results, folder, (performance.now() - began) / 1000);

  console.log(bold('\nThe task that fails at first'));
  const lucky = await unlucky.get({ timeout: 30 });
  for (const line of retries) console.log(`  ${styleText('yellow', line)}`);
  console.log(`  ${styleText('green', String(lucky))}`);
}

await main();
await app.close();
