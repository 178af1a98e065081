// A log file that may be rotated away under us: when the name leads to another file, or to none, it is opened anew. Lines of one turn of
// the event loop are written together; what is left is written when the process ends.
import { closeSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigurationError } from '../util/index.ts';

/** A file that takes log lines. */
export interface LogFile extends Disposable {
  write(line: string): void;
}

/** Log files of a program and of its slots. */
export interface LogFiles extends Disposable {
  write(line: string, slot: number): void;
}

function open(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'a', 0o644);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(`The log file '${path}' cannot be opened: ${reason}. Name another one (-f, workerLogfile).`, {
      cause: error,
    });
  }
}

/** Opens a log file, its folder too. Throws ConfigurationError when it cannot be written. */
export function openLogFile(path: string): LogFile {
  let file = open(path);
  let lines: string[] = [];

  /** Does the name still lead to the file that is open? */
  function isThere(): boolean {
    const named = statSync(path, { throwIfNoEntry: false });
    const own = fstatSync(file);
    return named !== undefined && named.ino === own.ino && named.dev === own.dev;
  }

  function flush(): void {
    if (lines.length === 0) return;
    const text = lines.join('');
    lines = [];
    try {
      if (!isThere()) {
        closeSync(file);
        file = open(path);
      }
      writeSync(file, text);
    } catch (error) {
      // A full disk must not end a worker; the lines go where somebody may still see them.
      process.stderr.write(`The log file '${path}' cannot be written (${String(error)}):\n${text}`);
    }
  }

  process.on('exit', flush);
  return {
    write: (line) => {
      if (lines.push(line) === 1) setImmediate(flush);
    },
    [Symbol.dispose]: () => {
      flush();
      process.off('exit', flush);
      closeSync(file);
    },
  };
}

/** One file, or one for each slot where the names differ (`%i`, `%I`); those of slots are opened when they have something to say. */
export function openLogFiles(nameOf: (slot: number) => string): LogFiles {
  const files = new Map<string, LogFile>();
  const fileOf = (slot: number): LogFile => {
    const name = nameOf(slot);
    const file = files.get(name) ?? openLogFile(name);
    files.set(name, file);
    return file;
  };
  fileOf(0);
  return {
    write: (line, slot) => fileOf(slot).write(line),
    [Symbol.dispose]: () => {
      for (const file of files.values()) file[Symbol.dispose]();
    },
  };
}
