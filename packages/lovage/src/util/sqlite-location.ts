// Which file a `sqlite:` URL names; the broker and the result store must find the same one.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError } from './errors.ts';
import { redactUrl } from './redact.ts';
import type { Durability } from './sqlite-engine.ts';
import { readOptionNames } from './transport-options.ts';
import { decodeUrlPart } from './url-part.ts';

/** What marks the root of a project, so that every process of it finds one file whatever its working directory is. */
const ROOT_MARKS = [
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
  'bun.lockb',
  'deno.lock',
  '.git',
];

export interface SqliteLocation {
  readonly path: string;
  readonly durability: Durability;
  /** Seconds after which a process that stands still is given up. */
  readonly lease: number;
}

const DEFAULT_LEASE = 10;

/**
 * `sqlite:` alone is `.lovage/<app>.db` in the nearest folder upwards that has a lockfile or `.git`; `sqlite:///var/a.db` and
 * `sqlite:data/a.db` name a file. `?durability=power` (or the option of that name) syncs every commit to the disk.
 * The option `leaseSeconds` has to be the same in all processes of a file.
 */
export function sqliteLocation(
  url: string,
  appName: string,
  options: Readonly<Record<string, unknown>> = {},
  cwd: string = process.cwd(),
): SqliteLocation {
  const parts = /^sqlite:(?:\/\/)?([^?]*)(?:\?(.*))?$/i.exec(url);
  if (parts === null)
    throw new ConfigurationError(
      `"${redactUrl(url)}" is not a sqlite: URL. Write sqlite:///absolute/path.db, or sqlite: for the default file.`,
    );
  const name = decodeUrlPart(parts[1] ?? '', 'path', url);
  if (name === ':memory:')
    throw new ConfigurationError('sqlite::memory: cannot be shared between connections. Use memory:// instead.');
  const query = new URLSearchParams(parts[2] ?? '');
  const given = readOptionNames('SQLite', options, { names: ['durability', 'leaseSeconds'] });
  const durability = given.durability ?? query.get('durability') ?? 'process';
  if (durability !== 'process' && durability !== 'power') {
    throw new ConfigurationError(`durability is "${String(durability)}" and must be "process" or "power".`);
  }
  const lease = given.leaseSeconds ?? DEFAULT_LEASE;
  // Signs of life take whole ticks of half a second, so a shorter lease could not be kept.
  if (typeof lease !== 'number' || !(lease >= 1))
    throw new ConfigurationError(`leaseSeconds is ${JSON.stringify(lease)} and must be a number of seconds, at least 1.`);
  const path = name === '' ? join(projectRoot(cwd), '.lovage', `${fileName(appName)}.db`) : resolve(cwd, name);
  return { path, durability, lease };
}

function projectRoot(cwd: string): string {
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (ROOT_MARKS.some((mark) => existsSync(join(folder, mark)))) return folder;
    if (dirname(folder) === folder) return cwd;
  }
}

function fileName(appName: string): string {
  const safe = appName.replace(/[^\p{L}\p{N}._-]/gu, '_').replace(/^\.+/, '_');
  return safe === '' ? 'app' : safe;
}
