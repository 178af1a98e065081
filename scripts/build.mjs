// Builds packages/lovage/dist from its sources: declarations by tsc, and the programs by rolldown in few chunks, since a worker that loads
// two hundred files spends most of its start on finding them. The old one stays until the new one is whole. A test run builds once and
// says so (LOVAGE_BUILT), so that nobody swaps the package under a test that uses it.
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'packages/lovage/dist');
const source = (file) => join(root, 'packages/lovage/src', file);

/** Doors, and the files that are run in threads of their own: those lie beside the chunks, whose code starts them. */
const ENTRIES = {
  index: source('index.ts'),
  'worker/index': source('worker/index.ts'),
  'beat/index': source('beat/index.ts'),
  'cli/index': source('cli/index.ts'),
  'chunks/keeper-thread': source('broker/redis/keeper-thread.ts'),
  'chunks/pulse-thread': source('broker/sqlite/pulse-thread.ts'),
  'chunks/slot-process': source('worker/slot-process.ts'),
  'chunks/slot-thread': source('worker/slot-thread.ts'),
  'chunks/slot-watchdog': source('worker/slot-watchdog.ts'),
  'chunks/amqp-pulse-thread': source('util/amqp-pulse-thread.ts'),
};

/** Modules of Node that are loaded when something of them is called: a start needs none of them, and each costs it up to two milliseconds. */
const ON_CALL = new Set(
  [
    'child_process',
    'fs/promises',
    'http',
    'inspector',
    'perf_hooks',
    'readline/promises',
    'stream/consumers',
    'timers/promises',
    'zlib',
  ].map((name) => `node:${name}`),
);

/** Functions of a module that is loaded with the first call. */
function onCall(module, names) {
  const loaded = `loaded_${module.replaceAll(/\W/g, '_')}`;
  const functions = names
    .slice(1, -1)
    .split(',')
    .map((name) => {
      const [theirs, ours = theirs] = name.trim().split(' as ');
      return `const ${ours} = (...args) => (${loaded} ??= process.getBuiltinModule("${module}")).${theirs}(...args);`;
    });
  return [`let ${loaded};`, ...functions].join('\n');
}

/**
 * Node's own modules without their ESM faces: making one reads every property of the module, which for `node:fs` alone loads its streams
 * and promises and costs a start ten milliseconds.
 */
const withoutFaces = {
  name: 'builtins-without-faces',
  renderChunk: (code) =>
    code.replaceAll(/^import (?:\* as (\w+)|(\w+)|(\{[^}]*\})) from "(node:[\w/]+)";$/gm, (_, all, main, names, module) => {
      // What begins with a capital is made with `new`, or asked after with `instanceof`.
      if (ON_CALL.has(module) && names !== undefined && !/[{,] [A-Z]/.test(names)) return onCall(module, names);
      const left = all ?? main ?? names.replaceAll(' as ', ': ');
      return `const ${left} = process.getBuiltinModule("${module}");`;
    }),
};

/** What a worker on its usual pool and Redis reads, in few files; all else stays in as small ones as it comes. The first that wants a module has it. */
const FEW = [
  // The keeper's thread wants no more than these two.
  { name: 'base', of: ['index.ts'], and: ['broker/redis/keeper-thread.ts'] },
  { name: 'keeper', of: ['broker/redis/keeper-thread.ts'] },
  { name: 'lovage', of: ['index.ts'] },
  { name: 'worker', of: ['worker/index.ts', 'worker/slot-program.ts', 'pool/async.ts'] },
  { name: 'virtual', of: ['broker/redis.ts'], and: ['broker/sqlite.ts'] },
  { name: 'redis', of: ['broker/redis.ts'] },
];

/** Modules that are read whenever this one is, by the chunks of a build without groups. */
function modulesOf(chunks, file) {
  const wanted = chunks.filter(({ facadeModuleId }) => facadeModuleId === source(file));
  if (wanted.length === 0) throw new Error(`Nothing was built of ${file}.`);
  const reached = new Set(wanted);
  for (const { imports } of reached) {
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) reached.add(chunk);
  }
  return new Set([...reached].flatMap(({ moduleIds }) => moduleIds));
}

/** The name of the file that each of these modules goes to. */
function groupsOf({ output }) {
  const chunks = output.filter(({ type }) => type === 'chunk');
  const names = new Map();
  const doors = new Set(Object.values(ENTRIES));
  for (const { name, of, and = [] } of FEW) {
    const others = and.map((file) => modulesOf(chunks, file));
    for (const id of of.flatMap((file) => [...modulesOf(chunks, file)])) {
      if (!doors.has(id) && !names.has(id) && others.every((modules) => modules.has(id))) names.set(id, name);
    }
  }
  return names;
}

async function bundle(folder) {
  const build = await rolldown({
    input: ENTRIES,
    platform: 'node',
    // The helpers of what is written out are brought by the bundler.
    external: (id) => !/^[./\0]|^@oxc-project\/runtime/.test(id),
    // As the package says of itself: so what only one driver needs of a room lies in that driver's chunk.
    treeshake: { moduleSideEffects: false },
    // What Node 22 does not know yet (`using`) is written out.
    transform: { target: 'es2024' },
    plugins: [withoutFaces],
  });
  const chunkFileNames = 'chunks/[name]-[hash].js';
  const options = { dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames, comments: false };
  const names = groupsOf(await build.generate(options));
  const groups = FEW.map(({ name }, at) => ({ name, test: (id) => names.get(id) === name, priority: FEW.length - at }));
  await build.write({ ...options, codeSplitting: { groups } });
  await build.close();
}

async function build() {
  const fresh = `${dist}.${process.pid}`;
  const compiler = join(root, 'node_modules/ts7/bin/tsc');
  const options = ['-p', join(root, 'packages/lovage/tsconfig.build.json'), '--outDir', fresh, '--emitDeclarationOnly'];
  execFileSync(process.execPath, [compiler, ...options], { stdio: 'inherit' });
  await bundle(fresh);
  writeFileSync(join(fresh, '.built'), '');
  put(fresh);
}

/**
 * Others may run what was built before, and another build may put its own in place at any moment: what is there is moved aside in one
 * step, never emptied where it lies. The last build wins.
 */
function put(fresh) {
  const old = `${fresh}.old`;
  for (;;) {
    try {
      if (existsSync(dist)) renameSync(dist, old);
      renameSync(fresh, dist);
      return;
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code) || !existsSync(fresh)) throw error;
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  }
}

if (process.env.LOVAGE_BUILT !== '1' || !existsSync(join(dist, '.built'))) await build();
