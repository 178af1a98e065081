// Compiled code of a short command, kept by one run for the next. Node's own compile cache is filled before code runs, so it lacks every
// function that V8 compiles at its first call, which is a seventh of what such a command takes; what V8 gives after a run has them.
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { Script, constants as vm } from 'node:vm';
import { crc32 } from 'node:zlib';

/** What other versions left behind is deleted after so many days. */
const KEPT_DAYS = 60;
const SUM_BYTES = 4;

/** Modules whose compiled code is kept. */
export interface KeptCode {
  /** What a CommonJS module of these sources exports. */
  load(file: string): unknown;
  /** Keeps what was compiled until now, where it is not kept yet. Never throws. */
  save(): void;
}

/** V8 takes what it finds there for its own: nobody else may have written it. */
function isOurs({ uid, mode }: Stats): boolean {
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
}

/**
 * The folder for this in the user's own cache; undefined without a home that is theirs (a container without users, `sudo`, which would
 * leave folders of root behind). In a shared folder, such as /tmp, others could plant code.
 */
export function userFolder(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) && isOurs(statSync(home)) ? join(home, '.cache', 'lovage', 'commands') : undefined;
  } catch {
    return undefined;
  }
}

/** Is there a folder that we can write to, and nobody else? It is made when it is missing. */
function isPrivate(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    accessSync(folder, constants.W_OK);
    return found.isDirectory() && isOurs(found);
  } catch {
    return false;
  }
}

/** What V8 gave, with the sum of its bytes behind it: V8 looks at the length only, and one wrong bit ends the process or changes an answer. */
function summed(code: Buffer): Buffer {
  const sum = Buffer.alloc(SUM_BYTES);
  sum.writeUInt32LE(crc32(code));
  return Buffer.concat([code, sum]);
}

/** The code of such a file; undefined when a byte of it changed. */
function unspoilt(data: Buffer): Buffer | undefined {
  if (data.length < SUM_BYTES) return undefined;
  const code = data.subarray(0, -SUM_BYTES);
  return crc32(code) === data.readUInt32LE(code.length) ? code : undefined;
}

function read(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return isOurs(fstatSync(file)) ? unspoilt(readFileSync(file)) : undefined;
  } catch {
    // Nothing was kept yet.
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Whole, or not at all. */
function write(path: string, data: Uint8Array): void {
  const fresh = `${path}.${process.pid}`;
  try {
    const file = openSync(fresh, 'wx', 0o600);
    try {
      writeFileSync(file, data);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch {
    // A full disk, or another process that keeps the same: the next run tries again.
    rmSync(fresh, { force: true });
  }
}

function deleteOld(folder: string): void {
  const oldest = Date.now() - KEPT_DAYS * 86_400_000;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? oldest) < oldest) rmSync(path, { force: true });
  }
}

/**
 * Keeps compiled code in this folder; undefined where that cannot be done safely. The names of the sources must change with what they say:
 * V8 compares no more of them than their length.
 */
export function keptCode(folder: string | undefined): KeptCode | undefined {
  if (folder === undefined || !isPrivate(folder)) return undefined;
  const modules = new Map<string, { exports: unknown }>();
  const fresh: { readonly path: string; readonly script: Script }[] = [];

  const compile = (file: string): Script => {
    const path = join(folder, `${file.slice(dirname(file).length + 1)}-${process.version}-${process.arch}`);
    const cachedData = read(path);
    const script = new Script(
      `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'latin1')}\n})`,
      {
        filename: file,
        importModuleDynamically: vm.USE_MAIN_CONTEXT_DEFAULT_LOADER,
        ...(cachedData === undefined ? {} : { cachedData }),
      },
    );
    // Refused by another build of the same version of Node.
    if (cachedData === undefined || script.cachedDataRejected === true) fresh.push({ path, script });
    return script;
  };

  const load = (file: string): unknown => {
    const known = modules.get(file);
    if (known !== undefined) return known.exports;
    const module: { exports: unknown } = { exports: {} };
    modules.set(file, module);
    const run = compile(file).runInThisContext() as (...values: readonly unknown[]) => void;
    const require = (name: string): unknown =>
      name.startsWith('./') ? load(resolve(dirname(file), name)) : (process.getBuiltinModule(name) ?? createRequire(file)(name));
    run.call(module.exports, module.exports, require, module, file, dirname(file));
    return module.exports;
  };

  return {
    load,
    save: () => {
      if (fresh.length === 0) return;
      for (const { path, script } of fresh.splice(0)) write(path, summed(script.createCachedData()));
      deleteOld(folder);
    },
  };
}
