// Results as files, one for each, in a folder that all processes see (`file:///var/results`): names and bytes as Celery's.
// A file is written under another name and renamed, so that nobody reads half of one.
import { randomUUID } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BackendError, ConfigurationError, readOptionNames, sleep } from '../util/index.ts';
import type { KeyValue, KeyValueStore, KeyValueWrite } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import { storableKey } from './kv-names.ts';
import { eachOf } from './patience.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

/** What no file name may hold, on any system. */
const UNSTORABLE = /[/\\\0]|^\.{1,2}$/;
const MAX_NAME_BYTES = 255;
/** How often a file that seems to be half written is looked at, 5 ms apart. */
const MAX_LOOKS = 10;
/** Files open at a time. */
const MAX_OPEN = 64;
/** A file that is being written. */
const UNFINISHED = '.lovage-part-';

/** Opens the backend; the folder is tried at the first call. */
export function open(options: BackendOptions): ResultBackend {
  const given = readOptionNames('The result store in files', options.transportOptions, { names: KEY_VALUE_OPTIONS });
  return keyValueBackend(filesystemStore(options.url), keyValueOptions(options, given));
}

/** The folder that a `file:` URL names, read as Celery reads it: what follows is a path, without escapes. */
function folderOf(url: string): string {
  const path = /^file:\/\/(?:localhost(?=\/))?([^?]+)$/i.exec(url)?.[1];
  if (path === undefined) throw new ConfigurationError(`'${url}' names no folder for results. Write file:///absolute/folder.`);
  // file:///C:/results
  return path.replace(/^\/(?=[A-Za-z]:)/, '');
}

/** Files in a folder as a key/value store. */
function filesystemStore(url: string): KeyValueStore {
  const folder = folderOf(url);
  const pathOf = (key: string): string => join(folder, storableKey(key, UNSTORABLE, MAX_NAME_BYTES));
  let tried: Promise<void> | undefined;

  /** Once: what is wrong with the folder is better said at the start than at the first result. */
  function usable(): Promise<void> {
    tried ??= probe(folder).catch((error: unknown) => {
      tried = undefined;
      throw error;
    });
    return tried;
  }

  async function read(key: string): Promise<readonly [string, KeyValue] | undefined> {
    try {
      for (let look = 1; ; look++) {
        const value = await readFile(pathOf(key));
        if (!isUnfinished(value)) return [key, { value }];
        if (look === MAX_LOOKS) return value.length === 0 ? undefined : [key, { value }];
        await sleep(0.005);
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw failed(`read from ${folder}`, error);
    }
  }

  async function write({ key, value }: KeyValueWrite): Promise<void> {
    const part = join(folder, `${UNFINISHED}${randomUUID()}`);
    try {
      await writeFile(part, value);
      await rename(part, pathOf(key));
    } catch (error) {
      await rm(part, { force: true });
      throw failed(`be written to ${folder}`, error);
    }
  }

  return {
    name: 'filesystem',
    url,
    autoExpire: false,
    get: async (keys) => {
      await usable();
      const found = await eachOf(keys, MAX_OPEN, read);
      return new Map(found.filter((entry) => entry !== undefined));
    },
    set: async (writes) => {
      await usable();
      await eachOf(writes, MAX_OPEN, write);
    },
    delete: async (keys) => {
      await eachOf(keys, MAX_OPEN, (key) => rm(pathOf(key), { force: true }));
    },
    changes: (heard) => watchFolder(folder, heard),
    cleanup: async (prefixes, olderThan) => {
      const limit = Date.now() - olderThan * 1000;
      const ours = (name: string): boolean => [...prefixes, UNFINISHED].some((prefix) => name.startsWith(prefix));
      const removed = await eachOf((await readdir(folder)).filter(ours), MAX_OPEN, (name) =>
        removeOld(join(folder, name), limit),
      );
      return removed.filter(Boolean).length;
    },
    check: usable,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Python empties a file and then writes to it: nothing, or a record of JSON without its end, is what lies between. */
function isUnfinished(value: Buffer): boolean {
  return value.length === 0 || (value[0] === 0x7b && value.at(-1) !== 0x7d);
}

/** Writes, reads and removes a file under the name that Celery uses for this. */
async function probe(folder: string): Promise<void> {
  const path = join(folder, `.fs-backend-${randomUUID()}`);
  try {
    await writeFile(path, 'test value');
    await readFile(path);
    await rm(path);
  } catch (error) {
    throw new ConfigurationError(
      `Results cannot be kept in the folder ${folder}: ${messageOf(error)}. It has to exist, and every client and worker needs the right to write there.`,
      { cause: error },
    );
  }
}

/** Several processes may clean up at once. */
async function removeOld(path: string, limit: number): Promise<boolean> {
  try {
    if ((await stat(path)).mtimeMs >= limit) return false;
    await rm(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw failed(`be removed: ${path}`, error);
  }
}

/** Where the system tells of changes (not on network file systems) a wait ends at once; else polling finds the result. */
function watchFolder(folder: string, heard: (keys: readonly string[]) => void): Disposable {
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(folder, { persistent: false }, (_, name) => {
      if (name !== null && !name.startsWith('.')) heard([name]);
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // Too many watches, or a file system that has none.
  }
  return { [Symbol.dispose]: () => watcher?.close() };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function failed(what: string, error: unknown): BackendError {
  return new BackendError(`A result cannot ${what}: ${messageOf(error)}`, { cause: error });
}
