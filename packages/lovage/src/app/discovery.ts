// Finding and loading task modules: the settings imports and include, and the globs given to `app.autodiscover()`.
import { existsSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EXTENSIONS, importModule } from './modules.ts';

const CONFIG_NAMES = ['.ts', '.mts', '.js', '.mjs'].map((extension) => `lovage.config${extension}`);
const ROOT_MARKS = ['.git', 'package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'];
/** Declarations and tests are never task modules, whatever a glob says; nor is anything installed. */
const NEVER = /\.d\.[cm]?ts$|\.(test|spec)\.[cm]?[jt]sx?$|[\\/]node_modules[\\/]/;

/** `lovage.config.*` in `start` or a folder above it, up to the root of the project. */
export function findConfigFile(start: string = process.cwd()): string | undefined {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    const found = CONFIG_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined) return found;
    const isRoot = ROOT_MARKS.some((mark) => existsSync(join(folder, mark))) || dirname(folder) === folder;
    if (isRoot) return undefined;
  }
}

/** The files that globs name, in a fixed order. A glob that ends in a folder means the modules called `tasks` in and below it. */
export async function findTaskModules(globs: readonly string[], base: string = process.cwd()): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const pattern of globs) {
    const found: string[] = [];
    for await (const file of glob(withExtension(pattern), { cwd: base })) {
      const path = resolve(base, file);
      if (!NEVER.test(path)) found.push(path);
    }
    for (const path of found.sort()) files.add(path);
  }
  return [...files];
}

/** `src/jobs` → every `tasks` module below it; `src/**\/*.tasks` → with any extension. */
function withExtension(pattern: string): string {
  if (EXTENSIONS.some((extension) => pattern.endsWith(extension)) || /\.\{[^}]*\}$/.test(pattern)) return pattern;
  const extensions = `{${EXTENSIONS.map((extension) => extension.slice(1)).join(',')}}`;
  return /[*?{[]/.test(pattern) ? `${pattern}.${extensions}` : `${pattern}/**/tasks.${extensions}`;
}

/** Loads modules one after the other, so that tasks register in a fixed order. */
export async function importAll(specifiers: readonly string[], base?: string): Promise<void> {
  for (const specifier of specifiers) await importModule(specifier, base);
}
