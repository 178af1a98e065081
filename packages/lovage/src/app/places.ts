// Where modules of the user are looked for when nobody names them. Small, so that who asks this alone loads no more.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Files that stand for a path without an extension. */
export const EXTENSIONS: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.tsx', '.jsx'];

/** Where an app is looked for when nobody says. */
export const PLACES: readonly string[] = ['lovage', 'app', 'tasks', 'src/lovage', 'src/app', 'src/tasks'];

const CONFIG_NAMES = ['.ts', '.mts', '.js', '.mjs'].map((extension) => `lovage.config${extension}`);
const ROOT_MARKS = ['.git', 'package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'];

/** The module of an app that nobody named: the first of the usual places that exists. */
export function usualPlace(base: string): string | undefined {
  return PLACES.flatMap((place) => EXTENSIONS.map((extension) => resolve(base, place + extension))).find((file) =>
    existsSync(file),
  );
}

/** `lovage.config.*` in `start` or a folder above it, up to the root of the project. */
export function findConfigFile(start: string = process.cwd()): string | undefined {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    const found = CONFIG_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined) return found;
    const isRoot = ROOT_MARKS.some((mark) => existsSync(join(folder, mark))) || dirname(folder) === folder;
    if (isRoot) return undefined;
  }
}
