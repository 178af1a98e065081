// A child process of a fault run: speaks in lines on its standard input and output, and logs to a file beside the ledger. Our own programs
// import the built package: it is what users run, and a start of it takes half of the time.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { guardGroup, releaseGroup } from '../../../../../scripts/servers/guard.ts';

export interface ChildSpec {
  /** Names its log file. */
  readonly name: string;
  readonly folder: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds until it has to say `ready`. @default 30 */
  readonly startTimeout?: number;
  /** `spawn`: the child is given back as soon as it is a process. @default 'ready' */
  readonly awaits?: 'ready' | 'spawn';
}

export interface Child extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Resolves at its end: to the exit code, or the signal. */
  readonly ended: Promise<number | string>;
  readonly isRunning: boolean;
  tell(line: string): void;
  /** Resolves at the next line that begins so, to the rest of it; rejects when the child ends first. */
  heard(start: string): Promise<string>;
  /** To its whole process group; `alone`: to it and not to its children. */
  signal(signal: NodeJS.Signals, alone?: 'alone'): void;
  log(): string;
}

function outcome(child: ChildProcess): number | string {
  return child.signalCode ?? child.exitCode ?? -1;
}

/** Starts it and waits until it says `ready`, unless it is told not to. */
export async function startChild(spec: ChildSpec): Promise<Child> {
  const logFile = join(spec.folder, `${spec.name.replaceAll(/[^\w.-]/g, '_')}.log`);
  // What the programs of a test runner or a shell have set is not the child's.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(LOVAGE_|CELERY_|NODE_OPTIONS|VITEST)/.test(name)),
  );
  const child = spawn(spec.command, [...spec.args], {
    cwd: spec.folder,
    detached: true,
    env: { ...env, ...spec.env },
    stdio: ['pipe', 'pipe', openSync(logFile, 'a')],
  });
  await once(child, 'spawn');
  const pid = child.pid as number;
  guardGroup(pid);
  // A child that was killed reads nothing more.
  child.stdin?.on('error', () => undefined);
  const ended = once(child, 'exit').then(() => {
    releaseGroup(pid);
    return outcome(child);
  });
  const listeners = new Set<(line: string) => void>();
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    for (const listener of [...listeners]) listener(line);
  });
  const heard = (start: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const listener = (line: string): void => {
        if (!line.startsWith(start)) return;
        listeners.delete(listener);
        resolve(line.slice(start.length).trim());
      };
      listeners.add(listener);
      void ended.then((how) => {
        if (listeners.delete(listener))
          reject(
            new Error(`${spec.name} ended (${how}) before it said '${start}':\n${readFileSync(logFile, 'utf8').slice(-2000)}`),
          );
      });
    });
  const signal = (which: NodeJS.Signals, alone?: 'alone'): void => {
    try {
      process.kill(alone === undefined ? -pid : pid, which);
    } catch {
      // already gone
    }
  };
  const started: Child = {
    name: spec.name,
    pid,
    ended,
    get isRunning() {
      return child.exitCode === null && child.signalCode === null;
    },
    tell: (line) => void child.stdin?.write(`${line}\n`),
    heard,
    signal,
    log: () => readFileSync(logFile, 'utf8'),
    [Symbol.asyncDispose]: async () => {
      signal('SIGCONT');
      signal('SIGKILL');
      await ended;
    },
  };
  if (spec.awaits === 'spawn') return started;
  const impatient = setTimeout(() => signal('SIGKILL'), (spec.startTimeout ?? 30) * 1000);
  await heard('ready').finally(() => clearTimeout(impatient));
  return started;
}
