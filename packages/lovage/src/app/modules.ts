// Loading of the user's own modules, TypeScript and JavaScript: by Node itself where it can, else the whole module through jiti.
// Called by config.ts (config files), loader.ts (the app) and discovery.ts (task modules).
import { existsSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigurationError } from '../util/index.ts';
import { EXTENSIONS } from './places.ts';

/** What a module exports. */
export type ModuleExports = Readonly<Record<string, unknown>>;

/** Failures of Node's own loader that come before anything was evaluated, and that jiti may do better. */
const TRY_JITI = new Set([
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_MODULE_NOT_FOUND',
]);

/** `path:export` or `path#export` → its two parts. */
export function splitExport(specifier: string): { readonly path: string; readonly name: string | undefined } {
  const [, path, name] = /^(.{2,})[:#]([\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.exec(specifier) ?? [];
  return path === undefined || path === 'file' ? { path: specifier, name: undefined } : { path, name };
}

/** The file that a path, a file URL or a package name means, seen from `base`. Throws ConfigurationError. */
export function resolveModule(specifier: string, base: string = process.cwd()): string {
  const path = specifier.startsWith('file:') ? fileURLToPath(specifier) : resolve(base, specifier);
  const candidates = [
    path,
    ...EXTENSIONS.map((extension) => path + extension),
    ...EXTENSIONS.map((extension) => join(path, `index${extension}`)),
  ];
  const found = candidates.find((candidate) => /\.\w+$/.test(candidate) && existsSync(candidate));
  if (found !== undefined) return found;
  if (!/^[./\\]|^file:|^[a-z]:\\/i.test(specifier)) {
    try {
      return createRequire(join(base, 'noop.js')).resolve(specifier);
    } catch {
      // It is no package either; the error below names the file that was looked for.
    }
  }
  throw new ConfigurationError(
    `There is no module '${specifier}': looked for ${path} with ${EXTENSIONS.join(', ')}, and for a package.`,
  );
}

/** Modules that Node loaded for us, and whether jiti has been needed: from then on jiti loads, so that one graph is not cut in two. */
const loaded = new Map<string, ModuleExports>();
let throughJiti = false;

/** Loads a module. Its own errors pass unchanged. */
export async function importModule(specifier: string, base?: string): Promise<ModuleExports> {
  const file = resolveModule(specifier, base);
  const known = loaded.get(file);
  if (known !== undefined) return known;
  if (throughJiti) return importWithJiti(file, undefined);
  try {
    const module = (await import(pathToFileURL(file).href)) as ModuleExports;
    loaded.set(file, module);
    return module;
  } catch (error) {
    if (!canJiti(error)) throw error;
    return importWithJiti(file, error);
  }
}

function canJiti(error: unknown): boolean {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  if (code !== undefined) return TRY_JITI.has(code);
  return (
    error instanceof SyntaxError && /outside a module|Named export .* not found|does not provide an export/.test(message ?? '')
  );
}

/** Where compiled modules are kept: in the user's own cache folder. A shared one, such as /tmp, would let others plant code. */
function cacheFolder(): string {
  return join(homedir(), '.cache', 'lovage', 'modules');
}

/** jiti looks into require's cache first: what Node loaded for us is put there, so that the app is not made a second time. */
function shareLoaded(require: NodeJS.Require): void {
  for (const [file, exports] of loaded) {
    if (require.cache[file] !== undefined) continue;
    const module = new Module(file);
    module.exports = exports;
    module.loaded = true;
    require.cache[file] = module;
  }
}

/** The whole module again, with all that it imports, through jiti. */
async function importWithJiti(file: string, cause: unknown): Promise<ModuleExports> {
  const { createJiti } = await import('jiti');
  const from = join(dirname(file), 'noop.js');
  shareLoaded(createRequire(from));
  const jiti = createJiti(pathToFileURL(from).href, { fsCache: cacheFolder(), interopDefault: false });
  try {
    const module = await jiti.import<ModuleExports>(file);
    throughJiti = true;
    return module;
  } catch (error) {
    // When jiti fails for the same reason, Node's error is the one that the author of the module can act on.
    throw cause !== undefined && sameProblem(error, cause) ? cause : error;
  }
}

function sameProblem(error: unknown, cause: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code;
  return code !== undefined && code === (cause as { readonly code?: unknown }).code;
}
