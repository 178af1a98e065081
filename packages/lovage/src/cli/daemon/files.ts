// Files that a program will write once it runs: what cannot be is told at its start, in one line, and not when the first line is lost.
import { accessSync, constants, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigurationError } from '../../util/index.ts';

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
  if (statSync(folder).isDirectory()) return mayWrite(folder) ? undefined : `this user may not write to the folder '${folder}'`;
  return `'${folder}' is no folder`;
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
