// Which files of an application have changed. Folders are watched one by one, so that node_modules costs nothing.
import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';

const SKIPPED = new Set(['node_modules', '.git', '.lovage', '.node', 'dist', 'build', 'coverage', '.next', '.cache']);
const FILES = /(?:\.(?:[cm]?[jt]sx?|json)|^\.env(?:\..*)?)$/;
/** Editors and compilers write in several steps. */
const QUIET_MS = 120;
/** More folders than an application has: somebody named the root of a disk. */
const MAX_FOLDERS = 10_000;

export interface Watch extends Disposable {
  readonly folders: number;
}

/** Calls `changed` with the names of the files, once for what comes together. */
export function watchFiles(roots: readonly string[], changed: (files: readonly string[]) => void): Watch {
  const watchers = new Map<string, FSWatcher>();
  const known = new Map<string, string>();
  const pending = new Set<string>();
  let timer: NodeJS.Timeout | undefined;

  const stampOf = (file: string): string => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat?.isFile() === true ? `${stat.mtimeMs} ${stat.size} ${stat.ino}` : '';
  };
  /** A file that was only read or touched by a look is none that changed. */
  const note = (file: string): void => {
    const stamp = stampOf(file);
    if (stamp === (known.get(file) ?? '')) return;
    known.set(file, stamp);
    pending.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const files = [...pending];
      pending.clear();
      changed(files);
    }, QUIET_MS);
  };
  const add = (folder: string, isNew: boolean): void => {
    if (watchers.has(folder) || watchers.size >= MAX_FOLDERS) return;
    try {
      const watcher = watch(folder, (_, name) => {
        if (name === null) return;
        const path = join(folder, name);
        if (FILES.test(name)) note(path);
        else if (!SKIPPED.has(name) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) add(path, true);
      });
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(folder);
      });
      watchers.set(folder, watcher);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.isDirectory() && !SKIPPED.has(entry.name)) add(path, isNew);
        else if (!entry.isDirectory() && FILES.test(entry.name)) {
          if (isNew) note(path);
          else known.set(path, stampOf(path));
        }
      }
    } catch (error) {
      // It went away meanwhile, or is not for us to read; the roots are checked before.
      if (!['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };
  for (const root of roots) add(root, false);
  return {
    get folders() {
      return watchers.size;
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
