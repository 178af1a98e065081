// A pid file: held by one live program at a time. What a dead one left behind is taken over.
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigurationError } from '../../util/index.ts';

/** Somebody who is alive has the pid file: exit code 73. */
export class PidFileHeldError extends Error {
  readonly pid: number;
  constructor(path: string, pid: number) {
    super(`The pid file '${path}' is held: process ${pid} seems to run already. Stop it, or name another file (--pidfile).`);
    this.pid = pid;
  }
}

/** What a pid file says: its process id; undefined: there is no file; `broken`: it holds no number. */
export function readPidFile(path: string): number | 'broken' | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const pid = /^\d+\s*$/.test(text) ? Number.parseInt(text, 10) : 0;
    return pid > 0 ? pid : 'broken';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigurationError(`The pid file '${path}' cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Does this process live, and may it be one of ours? A number that the system gave to another program since is not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return command === '' ? !isZombie(pid) : /lovage|node|celery|python/.test(command);
  } catch {
    // No /proc here, or not for us: what the system says of the process counts.
    return true;
  }
}

function isZombie(pid: number): boolean {
  return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** Puts the file in its place, whole from its first moment. False: there is one already. */
function create(path: string): boolean {
  const fresh = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(fresh, `${process.pid}\n`, { mode: 0o644, flush: true });
    linkSync(fresh, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new ConfigurationError(
      `The pid file '${path}' cannot be written: ${(error as Error).message}. Name another one (--pidfile).`,
      { cause: error },
    );
  } finally {
    // Its folder may be none.
    if (existsSync(fresh)) rmSync(fresh, { force: true });
  }
}

/** Moves away what a dead program left, unless somebody was quicker. */
function removeStale(path: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const pid = readPidFile(aside);
  // Another start put its own there since we looked: give it back.
  if (typeof pid === 'number' && pid !== process.pid && isAlive(pid)) {
    try {
      linkSync(aside, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  rmSync(aside, { force: true });
}

/** Takes the file until disposed, or until this process ends. Throws PidFileHeldError. `warn` is told of what was left behind. */
export function takePidFile(name: string, warn: (text: string) => void): Disposable {
  const path = resolve(name);
  while (!create(path)) {
    const pid = readPidFile(path);
    if (typeof pid === 'number' && pid !== process.pid && isAlive(pid)) throw new PidFileHeldError(path, pid);
    if (pid !== undefined && pid !== process.pid)
      warn(`${pid === 'broken' ? 'Broken' : 'Stale'} pid file '${path}': its process is gone. It is replaced.`);
    removeStale(path);
  }
  const release = (): void => {
    if (readPidFile(path) === process.pid) rmSync(path, { force: true });
  };
  process.on('exit', release);
  return {
    [Symbol.dispose]: () => {
      process.off('exit', release);
      release();
    },
  };
}
