// Builds packages/lovage/dist from its sources: declarations by tsc, and the programs by rolldown in few chunks, since a worker that loads
// two hundred files spends most of its start on finding them. The old one stays until the new one is whole. A test run builds once and
// says so (LOVAGE_BUILT), so that nobody swaps the package under a test that uses it.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { isRedisClient, redisClient, writeLicences } from './redis-client.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'packages/lovage/dist');
const modules = join(root, 'node_modules');
const source = (file) => join(root, 'packages/lovage/src', file);

/** Doors, what is loaded without the rest of its room, and files that are run in threads of their own: those lie beside the chunks that start them. */
const ENTRIES = {
  index: source('index.ts'),
  'worker/index': source('worker/index.ts'),
  'beat/index': source('beat/index.ts'),
  'cli/index': source('cli/index.ts'),
  'chunks/control-commands': source('worker/control/commands/index.ts'),
  'chunks/keeper-thread': source('broker/redis/keeper-thread.ts'),
  'chunks/pulse-thread': source('broker/sqlite/pulse-thread.ts'),
  'chunks/slot-process': source('worker/slot-process.ts'),
  'chunks/slot-thread': source('worker/slot-thread.ts'),
  'chunks/slot-watchdog': source('worker/slot-watchdog.ts'),
  'chunks/amqp-pulse-thread': source('util/amqp-pulse-thread.ts'),
};

/** Functions and classes of Node whose modules are loaded when they are called: a start needs none, and each costs it up to two milliseconds. */
const ON_CALL = {
  'node:child_process': ['spawn'],
  'node:fs/promises': ['glob', 'readFile', 'rename', 'writeFile'],
  'node:http': ['createServer'],
  'node:inspector': ['open', 'url'],
  'node:perf_hooks': ['monitorEventLoopDelay'],
  'node:readline/promises': ['createInterface'],
  'node:stream/consumers': ['text'],
  'node:timers/promises': ['setImmediate'],
  'node:worker_threads': ['Worker'],
  'node:zlib': [
    'brotliCompressSync',
    'brotliDecompressSync',
    'deflateSync',
    'gunzipSync',
    'inflateSync',
    'zstdCompressSync',
    'zstdDecompressSync',
  ],
};

/** What stands for functions and classes of a module until one of them is called; undefined where others are imported, too. */
function onCall(module, list) {
  const names = list
    .slice(1, -1)
    .split(',')
    .map((name) => name.trim().split(' as '));
  if (!names.every(([name]) => ON_CALL[module]?.includes(name))) return undefined;
  const loaded = `loaded_${module.replaceAll(/\W/g, '_')}`;
  const load = `(${loaded} ??= process.getBuiltinModule("${module}"))`;
  const lines = names.map(([theirs, ours = theirs]) =>
    /^[A-Z]/.test(theirs)
      ? `function ${ours}(...args) { return new ${load}.${theirs}(...args); }`
      : `const ${ours} = (...args) => ${load}.${theirs}(...args);`,
  );
  return [`let ${loaded};`, ...lines].join('\n');
}

/** Where a chunk is ASCII V8 reads it as it lies, at half the memory; strings, templates and patterns mean the same so. */
const ascii = (code) =>
  code.replaceAll(/[^\0-\u007f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * Node's own modules without their ESM faces: making one reads every property of the module, which for `node:fs` alone loads its streams
 * and promises and costs a start ten milliseconds.
 */
const withoutFaces = {
  name: 'builtins-without-faces',
  renderChunk: (code) =>
    code.replaceAll(/^import (?:(?:\* as )?([\w$]+)(?:, )?)?(\{[^}]*\})? from "(node:[\w/]+)";$/gm, (_, all, names, module) => {
      const later = names === undefined || all !== undefined ? undefined : onCall(module, names);
      const wanted = [all, names?.replaceAll(' as ', ': ')].filter((name) => name !== undefined);
      return later ?? wanted.map((name) => `const ${name} = process.getBuiltinModule("${module}");`).join(' ');
    }),
};

/** The same for CommonJS, where what is used of a module always stands behind its name: every one is loaded when it is used. */
const builtinsOnUse = {
  name: 'builtins-on-use',
  renderChunk: (code) => {
    let text = code;
    for (const [line, name, module] of code.matchAll(/^(?:let|const) (node_\w+) = require\("(node:[\w/]+)"\);$/gm)) {
      const rest = text.replace(line, '').replaceAll(new RegExp(`(?<!\\w)${name}\\.`, 'g'), `(${name}()).`);
      if (new RegExp(`\\b${name}\\b(?!\\(\\)\\)\\.)`).test(rest))
        throw new Error(`${name} is used in a way that the build does not know.`);
      text = `let ${name}_loaded;\nconst ${name} = () => (${name}_loaded ??= process.getBuiltinModule("${module}"));\n${rest}`;
    }
    return text;
  },
};

/** The bundler prints every chunk once more after `renderChunk`, and writes characters out that stood there as escapes. */
const inAscii = {
  name: 'in-ascii',
  generateBundle: (_, chunks) => {
    for (const chunk of Object.values(chunks)) if (chunk.type === 'chunk') chunk.code = ascii(chunk.code);
  },
};

/**
 * The parser of command lines makes a segmenter of texts when it is loaded, which reads ten milliseconds of tables; help pages alone use it.
 */
const segmenterOnCall = {
  name: 'segmenter-on-call',
  transform(code, id) {
    if (!id.endsWith('/@optique/core/dist/displaywidth.js')) return undefined;
    const eager = /^const segmenter = (new Intl\.Segmenter\(.+\));$/m;
    if (!eager.test(code)) throw new Error('The segmenter of @optique/core is not where it was: look at displaywidth.js.');
    return code.replace(eager, 'let made;').replaceAll('segmenter.segment(', `(made ??= ${eager.exec(code)[1]}).segment(`);
  },
};

/** What a worker on its usual pool and Redis reads, in few files; all else stays in as small ones as it comes. The first that wants a module has it. */
const FEW = [
  // Two threads want this and nothing else.
  { name: 'loop-view', of: ['util/amqp-pulse-thread.ts', 'broker/sqlite/pulse-thread.ts'] },
  // The keeper's thread wants no more than these two.
  { name: 'base', of: ['index.ts'], and: ['broker/redis/keeper-thread.ts'] },
  { name: 'keeper', of: ['broker/redis/keeper-thread.ts'] },
  { name: 'lovage', of: ['index.ts', 'result/disabled.ts'] },
  // What brokers share among them and with workers is little; a command that speaks to one reads no worker for it.
  { name: 'lovage', of: ['broker/redis.ts'], and: ['broker/sqlite.ts'] },
  { name: 'lovage', of: ['broker/redis.ts'], and: ['worker/index.ts'] },
  // What a command that asks workers wants to know of them.
  { name: 'commands', of: ['worker/control/commands/index.ts'] },
  { name: 'main', of: ['cli/main.ts'], also: ['cli/commands/reach.ts', 'util/reason.ts'] },
  { name: 'worker', of: ['worker/index.ts', 'worker/slot-program.ts', 'pool/async.ts'] },
  { name: 'redis', of: ['broker/redis.ts'] },
];

/** Modules that are read whenever this one is, by the chunks of a build without groups. */
function modulesOf(chunks, file) {
  const wanted = chunks.filter(({ facadeModuleId }) => facadeModuleId === source(file));
  if (wanted.length === 0) throw new Error(`Nothing was built of ${file}.`);
  return readWith(chunks, wanted);
}

/** Modules that are read with these chunks. */
function readWith(chunks, wanted) {
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
  // No door: it is an entry so that what it reads is known.
  doors.delete(ENTRIES['chunks/control-commands']);
  for (const { name, of, and = [], also = [] } of FEW) {
    const others = and.map((file) => modulesOf(chunks, file));
    for (const id of [...of.flatMap((file) => [...modulesOf(chunks, file)]), ...also.map(source)]) {
      if (!doors.has(id) && !names.has(id) && others.every((modules) => modules.has(id))) names.set(id, name);
    }
  }
  return names;
}

/** How every bundle is made of its doors. */
const bundled = (input, plugins) => ({
  input,
  platform: 'node',
  // The helpers of what is written out are brought by the bundler; the parser of command lines too, which is forty files of its own,
  // and the client of Redis, which is sixty.
  external: (id, importer) => !/^[./\0]|^@oxc-project\/runtime|^@optique\//.test(id) && !isRedisClient(id, importer),
  // As the package says of itself: so what only one driver needs of a room lies in that driver's chunk.
  treeshake: { moduleSideEffects: false },
  // What Node 22 does not know yet (`using`) is written out.
  transform: { target: 'es2024' },
  plugins: [segmenterOnCall, redisClient(modules), ...plugins, inAscii],
});

async function bundle(folder) {
  const build = await rolldown(bundled(ENTRIES, [withoutFaces]));
  // Named by the bundler after the folder that its door lies in.
  const chunkFileNames = ({ name }) => `chunks/${name === 'built' ? 'ioredis' : '[name]'}-[hash].js`;
  const options = { dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames, comments: false };
  const names = groupsOf(await build.generate(options));
  const few = [...new Set(FEW.map(({ name }) => name))];
  const groups = few.map((name, at) => ({ name, test: (id) => names.get(id) === name, priority: few.length - at }));
  await build.write({ ...options, codeSplitting: { groups } });
  await build.close();
}

/** What asks workers over Redis; it and all that is read with it become one file. */
const PLAIN = [
  ...['cli/plain-program.ts', 'cli/main.ts', 'app/lovage.ts', 'cli/commands/ask-workers.ts', 'broker/redis.ts'].map(source),
  join(modules, 'ioredis/built/Redis.js'),
];

/** The plain line's copy of the program (src/cli/plain.ts): CommonJS, whose compiled code can be kept. Its names change with its content. */
async function bundlePlain(folder) {
  const options = { dir: join(folder, 'chunks'), format: 'cjs', comments: false };
  const program = await rolldown(bundled({ 'plain-program': source('cli/plain-program.ts') }, [builtinsOnUse]));
  const names = { entryFileNames: '[name]-[hash].cjs', chunkFileNames: '[name]-[hash].cjs' };
  const { output } = await program.generate({ ...options, ...names, format: 'esm' });
  const chunks = output.filter(({ type }) => type === 'chunk');
  const wanted = chunks.filter(({ moduleIds }) => PLAIN.some((id) => moduleIds.includes(id)));
  const one = readWith(chunks, wanted);
  const groups = [{ name: 'plain', test: (id) => one.has(id) }];
  const written = await program.write({ ...options, ...names, codeSplitting: { groups } });
  await program.close();
  const { fileName } = written.output.find(({ isEntry }) => isEntry);
  const named = {
    name: 'plain-program',
    renderChunk(code) {
      if (code.split('./plain-program.ts').length !== 2) throw new Error('cli/plain.ts does not name its program once.');
      return code.replace('./plain-program.ts', fileName);
    },
  };
  const first = await rolldown(bundled({ plain: source('cli/plain.ts') }, [named, builtinsOnUse]));
  await first.write({ ...options, entryFileNames: '[name].cjs' });
  await first.close();
}

async function build() {
  const fresh = `${dist}.${process.pid}`;
  const compiler = join(root, 'node_modules/ts7/bin/tsc');
  const options = ['-p', join(root, 'packages/lovage/tsconfig.build.json'), '--outDir', fresh, '--emitDeclarationOnly'];
  execFileSync(process.execPath, [compiler, ...options], { stdio: 'inherit' });
  await bundle(fresh);
  await bundlePlain(fresh);
  copyFileSync(join(modules, '@optique/core/LICENSE'), join(fresh, 'LICENSE-optique.txt'));
  writeLicences(modules, join(fresh, 'LICENSE-ioredis.txt'));
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
