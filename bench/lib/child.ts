// A measured program as a child process: what it answers, line by line, and its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardGroup, releaseGroup } from '../../scripts/servers/guard.ts';
import type { Options } from '../programs/protocol.ts';

export type Answer = Readonly<Record<string, number>>;

export interface Program extends AsyncDisposable {
  /** The next line that it answers. */
  next(): Promise<Answer>;
  /** When it was started, in milliseconds of this process's clock. */
  readonly started: number;
  /** Its memory: its own pages, and its share of those that others have too (PSS). */
  mebibytes(): number;
}

const LIMIT = 60_000;

export function startProgram(file: string, role: string, options: Options): Program {
  const python = file.endsWith('.py');
  const path = join(import.meta.dirname, '../programs', file);
  const started = performance.now();
  const child = spawn(python ? '/usr/bin/python3' : process.execPath, [path, role, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, NODE_ENV: 'production', C_FORCE_ROOT: '1', PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore' },
  });
  if (child.pid !== undefined) guardGroup(child.pid);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    started,
    mebibytes: () => {
      const kib = /^Pss: +(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))?.[1];
      return Number(kib) / 1024;
    },
    next: async () => {
      for (;;) {
        const line = await within(lines.next(), `${file} ${role}`);
        if (line.done === true) throw new Error(`${file} ${role} ended without an answer`);
        // Celery's worker greets on the same stream.
        if (line.value.startsWith('{')) return JSON.parse(line.value) as Answer;
      }
    },
    [Symbol.asyncDispose]: () => end(child, python),
  };
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${LIMIT / 1000} s`)), LIMIT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Node's programs end with their input; Celery's pool is ended as a group. */
async function end(child: ChildProcess, group: boolean): Promise<void> {
  if (child.pid === undefined) return;
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    if (group) process.kill(-child.pid, 'SIGKILL');
    else child.stdin?.end();
    await gone;
  }
  releaseGroup(child.pid);
}
