// Finding and loading task modules: the settings imports and include, and the globs given to `app.autodiscover()`.
import { glob } from 'node:fs/promises';
import { resolve } from 'node:path';
import { importModule } from './modules.ts';
import { EXTENSIONS } from './places.ts';

/** Declarations and tests are never task modules, whatever a glob says; nor is anything installed. */
const NEVER = /\.d\.[cm]?ts$|\.(test|spec)\.[cm]?[jt]sx?$|[\\/]node_modules[\\/]/;

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
