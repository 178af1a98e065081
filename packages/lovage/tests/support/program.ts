// The real `lovage` program in a folder of its own, for tests of the command line.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const ROOT = resolve(import.meta.dirname, '../../../..');
const PACKAGE = join(ROOT, 'packages/lovage');
export const LOVAGE: string = join(PACKAGE, 'bin/lovage.js');

/** Milliseconds that a build elsewhere may take. */
const BUILD_MS = 300_000;

function isStale(): boolean {
  const stamp = join(PACKAGE, 'dist/.built');
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  return globSync('src/**/*.ts', { cwd: PACKAGE }).some((file) => statSync(join(PACKAGE, file)).mtimeMs > built);
}

/** Builds the package when a source is newer than what was built. One process builds; the others, which test in parallel, wait for it. */
export function ensureBuilt(): void {
  if (!isStale()) return;
  // The lock of a transaction ends with its process.
  using lock = new DatabaseSync(join(ROOT, 'node_modules/.lovage-build.db'), { timeout: BUILD_MS });
  lock.exec('BEGIN EXCLUSIVE');
  if (isStale()) execFileSync(process.execPath, [join(ROOT, 'scripts/build.mjs')]);
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder with the files given, in which `lovage` can be imported and run. */
export interface Project extends Disposable {
  readonly folder: string;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** A worker that is ready: words of its command line, and records for its environment. */
  worker(...words: readonly WorkerWord[]): Promise<Worker>;
  /** The same in a terminal of its own; what is written to the child's standard input are keys. */
  terminal(...words: readonly WorkerWord[]): Promise<Worker>;
  /** The same through another program. */
  through(around: Around, ...words: readonly WorkerWord[]): Promise<Worker>;
}

export interface Worker {
  readonly child: ChildProcess;
  /** What it wrote, both streams. */
  log(): string;
  /** Resolves when the text was written. */
  wrote(text: string): Promise<void>;
  readonly ended: Promise<number | null>;
}

/** The environment without what would change a run. */
function cleanEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(LOVAGE_|CELERY_|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|VITEST)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...more };
}

type WorkerWord = string | Readonly<Record<string, string>>;

/** What a worker is started through. */
export interface Around {
  readonly command: (command: readonly string[]) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: 'pipe';
}

const PLAIN: Around = { command: (command) => command };

/** A terminal of its own, whose keys are the child's standard input. */
const TERMINAL: Around = {
  // `exec`, because a shell that stayed in between would get the keys too, and end by them whatever the worker's exit code is.
  command: (command) => ['script', '-qec', `exec ${command.join(' ')}`, '/dev/null'],
  env: { SHELL: '/bin/sh' },
  stdin: 'pipe',
};

function startWorker(folder: string, words: readonly WorkerWord[], around: Around): Promise<Worker> {
  const args = words.filter((word) => typeof word === 'string');
  const env = words.filter((word) => typeof word !== 'string');
  const [program = '', ...rest] = around.command([process.execPath, LOVAGE, 'worker', ...args]);
  const child = spawn(program, rest, {
    cwd: folder,
    env: cleanEnvironment(Object.assign({}, around.env, ...env) as Readonly<Record<string, string>>),
    stdio: [around.stdin ?? 'ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const waiting = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    log += chunk.toString();
    for (const look of [...waiting]) look();
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  const wrote = (text: string): Promise<void> =>
    new Promise((done, fail) => {
      const look = (): void => {
        if (!log.includes(text)) return;
        waiting.delete(look);
        done();
      };
      waiting.add(look);
      look();
      void ended.then(() => fail(new Error(`The worker ended without writing '${text}':\n${log}`)));
    });
  const worker: Worker = { child, log: () => log, wrote, ended };
  return wrote(' ready.').then(() => worker);
}

export function project(files: Readonly<Record<string, string>>): Project {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-cli-'));
  const all = { 'package.json': '{ "type": "module", "private": true }', 'package-lock.json': '{}', ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(PACKAGE, join(folder, 'node_modules/lovage'));
  const children: ChildProcess[] = [];
  const started = async (words: readonly WorkerWord[], around: Around): Promise<Worker> => {
    const worker = await startWorker(folder, words, around);
    children.push(worker.child);
    return worker;
  };
  return {
    folder,
    run: (args, { input, env } = {}) =>
      new Promise((done) => {
        const child = execFile(
          process.execPath,
          [LOVAGE, ...args],
          { cwd: folder, env: cleanEnvironment(env), maxBuffer: 2 ** 28 },
          (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }),
        );
        child.stdin?.end(input ?? '');
      }),
    terminal: (...words) => started(words, TERMINAL),
    through: (around, ...words) => started(words, around),
    worker: (...words) => started(words, PLAIN),
    [Symbol.dispose]: () => {
      for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
