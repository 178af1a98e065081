// A lock that the system frees when its process dies, however it dies: an exclusive transaction on a small SQLite file of its own.
import { existsSync, rmSync } from 'node:fs';
import { isBusy, sqliteModule } from './sqlite-engine.ts';

/** Takes the lock and keeps it until disposed, or until this process ends. */
export function holdLock(path: string): Disposable {
  const database = new (sqliteModule().DatabaseSync)(path, { timeout: 0 });
  database.exec('BEGIN EXCLUSIVE');
  return {
    [Symbol.dispose]: () => {
      if (!database.isOpen) return;
      database.close();
      removeLock(path);
    },
  };
}

/** Is the process that took this lock dead? A lock file that is gone counts as free. */
export function isLockFree(path: string): boolean {
  if (!existsSync(path)) return true;
  const database = new (sqliteModule().DatabaseSync)(path, { timeout: 0 });
  try {
    database.exec('BEGIN IMMEDIATE');
    return true;
  } catch (error) {
    if (isBusy(error)) return false;
    throw error;
  } finally {
    database.close();
  }
}

/** Deletes the file of a dead process's lock. */
export function removeLock(path: string): void {
  for (const suffix of ['', '-journal']) rmSync(path + suffix, { force: true });
}
