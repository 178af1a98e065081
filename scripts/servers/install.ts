// Finds the programs of a server, or installs Debian's package when that is allowed (root, apt-get).
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, globSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const SYSTEM_FOLDERS = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/opt/homebrew/bin',
  '/opt/homebrew/sbin',
];

/** The path of a program: `name` on the PATH or in the system's folders, or the first match of a glob. */
export function findBinary(name: string): string | undefined {
  if (name.includes('*')) return globSync(name).sort().at(-1);
  if (name.startsWith('/')) return existsSync(name) ? name : undefined;
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

const canInstall = (): boolean => process.getuid?.() === 0 && findBinary('apt-get') !== undefined;

/** Waits for another process that is installing, by a lock that is a folder; a lock older than ten minutes is a dead one's. */
export function exclusively(work: () => void): void {
  const lock = join(tmpdir(), 'lovage-install.lock');
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const age = existsSync(lock) ? Date.now() - statSync(lock).mtimeMs : 0;
      if (age > 600_000) rmdirSync(lock);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    }
  }
  try {
    work();
  } finally {
    rmdirSync(lock);
  }
}

/** Installs Debian packages. Throws one line that says what to install when it may not. */
export function installPackages(packages: readonly string[], why: string): void {
  if (!canInstall()) {
    throw new Error(
      `${why} needs ${packages.join(', ')}: install it (Debian: apt-get install ${packages.join(' ')}), or run as root.`,
    );
  }
  exclusively(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    console.error(`Installing ${packages.join(', ')} …`);
    execFileSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'], env });
    // Debian's package starts the server as a service where it can; the policy file is the documented way to forbid it.
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...env, RUNLEVEL: '1' },
    });
  });
}

/** The path of a program, installed when it is missing. */
export function requireBinary(names: readonly string[], packages: readonly string[]): string {
  const find = (): string | undefined => names.map(findBinary).find((path) => path !== undefined);
  const found = find();
  if (found !== undefined) return found;
  installPackages(packages, names[0] ?? 'This');
  const installed = find();
  if (installed === undefined) throw new Error(`Installed ${packages.join(', ')}, but found none of ${names.join(', ')}.`);
  return installed;
}

/** A program or file, by any of these names, and the packages that bring it. */
export type Need = readonly [names: readonly string[], packages: readonly string[]];

/** Installs whatever is missing of all these in one go: each run of apt-get takes seconds before it begins. */
export function requireAll(needs: readonly Need[]): void {
  const isMissing = ([names]: Need): boolean => names.every((name) => findBinary(name) === undefined);
  const missing = needs.filter(isMissing);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap(([, some]) => some))];
  installPackages(packages, missing.map(([[name]]) => name).join(', '));
  const still = missing.filter(isMissing).map(([[name]]) => name);
  if (still.length > 0) throw new Error(`Installed ${packages.join(', ')}, but still found no ${still.join(', ')}.`);
}
