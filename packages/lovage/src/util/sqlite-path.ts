// Which file a sqlite:// URL means: broker and result store must agree on it, so that their writes can commit jointly.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from './errors.ts';

/** What marks the folder of a project. */
const MARKS = [
  'package-lock.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
  'bun.lockb',
  'npm-shrinkwrap.json',
  'deno.lock',
  '.git',
];

/** The nearest folder upwards that has a lockfile or `.git`; `from` itself when there is none. */
export function projectFolder(from: string = process.cwd()): string {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (MARKS.some((mark) => existsSync(join(folder, mark)))) return folder;
    if (folder === dirname(folder)) return resolve(from);
  }
}

/**
 * `sqlite://` is the project's own file, `.lovage/<app>.db`; `sqlite:///var/lib/shop.db` that path; `sqlite://data/shop.db` and
 * `sqlite:data/shop.db` a path from the working directory. A query is not part of the path.
 */
export function sqlitePath(url: string, appName: string, from: string = process.cwd()): string {
  const match = /^sqlite:(?:\/\/)?([^?#]*)/i.exec(url);
  if (match === null)
    throw new ConfigurationError(`'${url}' is not a sqlite:// URL. Use sqlite:// or sqlite:///path/to/file.db.`);
  const named = match[1] ?? '';
  if (named === '' || named === '/') return join(projectFolder(from), '.lovage', `${appName.replaceAll(/[^\w.-]/g, '_')}.db`);
  if (named.startsWith('/')) return fileURLToPath(`file:///${named.replace(/^\/+/, '')}`);
  try {
    return resolve(from, decodeURIComponent(named));
  } catch (cause) {
    throw new ConfigurationError(`'${url}' has a broken percent escape.`, { cause });
  }
}
