// The Python peers of the interop tests: a real Celery worker and a real Celery client, Debian's, as child processes with a hard end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardGroup, releaseGroup } from '../../../../scripts/servers/guard.ts';

const FOLDER = join(import.meta.dirname, 'python');

export interface PeerOptions {
  readonly broker: string;
  readonly backend: string;
  readonly prefix: string;
  /** The first one is the default queue. */
  readonly queues: readonly string[];
  /** The module of the worker's app. @default 'peer' */
  readonly module?: string;
  /** Further options of the worker. */
  readonly options?: readonly string[];
  /** Ask its neighbours at the start. @default false */
  readonly mingle?: boolean;
  /** Listen to other workers, and take part in elections. @default false */
  readonly gossip?: boolean;
  /** Further variables of the environment. */
  readonly variables?: Readonly<Record<string, string>>;
}

function python(args: readonly string[], options: PeerOptions): ChildProcess {
  const { PYTHONPATH: _, ...inherited } = process.env;
  const child = spawn('/usr/bin/python3', ['-u', ...args], {
    cwd: FOLDER,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...inherited,
      PYTHONDONTWRITEBYTECODE: '1',
      C_FORCE_ROOT: '1',
      INTEROP_BROKER: options.broker,
      INTEROP_BACKEND: options.backend,
      INTEROP_PREFIX: options.prefix,
      INTEROP_QUEUES: options.queues.join(','),
      ...options.variables,
    },
  });
  if (child.pid !== undefined) guardGroup(child.pid);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const gone = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await gone;
  }
  if (child.pid !== undefined) releaseGroup(child.pid);
}

export interface PythonWorker extends AsyncDisposable {
  readonly log: () => string;
}

/** A Celery worker that is ready to take from its queues. */
export async function startPythonWorker(options: PeerOptions): Promise<PythonWorker> {
  const queues = [...options.queues, `${options.prefix}.py.topic`].join(',');
  const child = python(
    [
      '-m',
      'celery',
      '-A',
      options.module ?? 'peer',
      'worker',
      '-P',
      'prefork',
      '-c',
      '2',
      '-l',
      'INFO',
      '-Q',
      queues,
      '-n',
      `${options.prefix}@py`,
      ...(options.gossip === true ? [] : ['--without-gossip']),
      ...(options.mingle === true ? [] : ['--without-mingle']),
      ...(options.options ?? []),
    ],
    options,
  );
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      log += chunk.toString();
      if (/ ready\./.test(log)) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', () => reject(new Error(`The Python worker ended while starting:\n${log}`)));
  });
  return { log: () => log, [Symbol.asyncDispose]: () => end(child) };
}

export interface PythonClient extends AsyncDisposable {
  /** Runs Python; the value of its last line comes back through JSON. */
  run(code: string): Promise<unknown>;
}

export function startPythonClient(options: PeerOptions): PythonClient {
  const child = python(['client.py'], options);
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let count = 0;
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    const answer = JSON.parse(line) as { readonly n: number; readonly value?: unknown; readonly error?: string };
    const asked = waiting.get(answer.n);
    waiting.delete(answer.n);
    if (answer.error === undefined) asked?.resolve(answer.value);
    else asked?.reject(new Error(`Python: ${answer.error}`));
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error(`The Python client ended:\n${errors}`));
    waiting.clear();
  });
  return {
    run: (code) =>
      new Promise((resolve, reject) => {
        const n = ++count;
        waiting.set(n, { resolve, reject });
        child.stdin?.write(`${JSON.stringify({ n, code })}\n`);
      }),
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** A Python program that prints lines. */
export interface PythonProgram extends AsyncDisposable {
  /** The first line, of those so far or to come, that is one. Rejects when the program ends before. */
  until(is: (line: string) => boolean): Promise<string>;
}

export function startPythonProgram(args: readonly string[], options: PeerOptions): PythonProgram {
  const child = python(args, options);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let ended = false;
  const hear = (line: string): void => {
    lines.push(line);
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream as NodeJS.ReadableStream }).on('line', hear);
  child.once('exit', () => {
    ended = true;
    for (const look of waiting) look();
  });
  return {
    until: (is) =>
      new Promise((resolve, reject) => {
        let seen = 0;
        const look = (): void => {
          const found = lines.slice(seen).find(is);
          seen = lines.length;
          if (found === undefined && !ended) return;
          waiting.delete(look);
          if (found === undefined) reject(new Error(`The Python program ended:\n${lines.join('\n')}`));
          else resolve(found);
        };
        waiting.add(look);
        look();
      }),
    [Symbol.asyncDispose]: () => end(child),
  };
}
