// Files that a program will write once it runs: what cannot be is told at its start, in one line, and not when the first line is lost.
import { accessSync, closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError, uuid } from '../../util/index.ts';

export interface OwnFile {
  /** As people call it: `log file`. */
  readonly what: string;
  readonly name: string | null | undefined;
  /** The option and the setting that name it. */
  readonly from: string;
}

/** Undefined: it can be written, as far as can be seen. */
function obstacle(path: string): string | undefined {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) return 'it is a folder';
  if (there !== undefined) return mayWrite(path) ? undefined : 'this user may not write to it';
  // Folders that are not there are made.
  let folder = dirname(path);
  while (statSync(folder, { throwIfNoEntry: false }) === undefined && dirname(folder) !== folder) folder = dirname(folder);
  if (!statSync(folder).isDirectory()) return `'${folder}' is no folder`;
  return mayWrite(folder) ? refusalOf(folder) : `this user may not write to the folder '${folder}'`;
}

/** Rights are not all: in some folders (/proc, a full disk) nothing can be made by anybody. */
function refusalOf(folder: string): string | undefined {
  const trial = join(folder, `.lovage-${uuid()}`);
  try {
    closeSync(openSync(trial, 'wx', 0o600));
    rmSync(trial, { force: true });
    return undefined;
  } catch (error) {
    return `nothing can be made in the folder '${folder}' (${(error as NodeJS.ErrnoException).code})`;
  }
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Throws ConfigurationError where it cannot be written. */
export function checkFile({ what, name, from }: OwnFile): void {
  if (name === null || name === undefined) return;
  const reason = obstacle(resolve(name));
  if (reason !== undefined)
    throw new ConfigurationError(`The ${what} '${name}' cannot be written: ${reason}. Name another one (${from}).`);
}
