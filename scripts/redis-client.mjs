// Makes one file of ioredis, its parts and its fifty small files, for build.mjs. Loaded as it is it costs a start forty-five milliseconds,
// twice what an empty Node takes: most of it goes into finding files, into modules of Node that few connections want, and into a table of
// six hundred commands that V8 lays out anew for each. Nothing of what it does is changed; each patch says when it no longer fits.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What lies in the one file: their licences go along. */
const PACKAGES = [
  'ioredis',
  '@ioredis/commands',
  'cluster-key-slot',
  'debug',
  'denque',
  'ms',
  'redis-errors',
  'standard-as-callback',
];

const WITHIN = new RegExp(`/node_modules/(${PACKAGES.join('|')})/`);

/** Node's modules that a plain connection needs not, or not at its start: what of them is called, and loaded by the call. */
const ON_CALL = {
  assert: ['strictEqual'],
  crypto: ['createHash'],
  dns: ['lookup', 'resolveSrv'],
  tls: ['connect'],
};

const STAND_IN = '\0redis-client:';

const standIns = {
  // Which `debug` tries to load, and does without.
  'supports-color': () => "throw new Error('This package is left out.');",
  // Its finer points (colours, milliseconds) are loaded when somebody wants to see what the client says.
  debug: (file) => `
const silent = Object.assign(() => undefined, { enabled: false });
exports.default = (name) => (process.env.DEBUG ? require(${JSON.stringify(file('debug/src/index.js'))})(name) : silent);`,
  './cluster': (file) => `
Object.defineProperty(exports, 'default', { enumerable: true, get: () => require(${JSON.stringify(file('ioredis/built/cluster/index.js'))}).default });`,
};

function builtin(name) {
  const load = `process.getBuiltinModule("node:${name}")`;
  const names = ON_CALL[name];
  if (names === undefined) return `module.exports = ${load};`;
  const members = names.map((each) => `${each}: (...args) => ${load}.${each}(...args)`);
  // `assert` is a function itself.
  return `module.exports = Object.assign((...args) => ${load}(...args), { ${members.join(', ')} });`;
}

/** Exact texts of the library, and what stands for them. */
const PATCHES = {
  // A cluster is asked for by who has one.
  'ioredis/built/Redis.js': [
    [
      'Redis.Cluster = cluster_1.default;',
      "Object.defineProperty(Redis, 'Cluster', { configurable: true, get: () => cluster_1.default });",
    ],
  ],
  // A prototype that grows is laid out anew with each command; an object that becomes one is not.
  'ioredis/built/utils/Commander.js': [
    ['commands.forEach(function (commandName) {', 'const table = {};\ncommands.forEach(function (commandName) {'],
    ['    Commander.prototype[commandName] =', '    table[commandName] ='],
    ['    Commander.prototype[commandName + "Buffer"] =', '    table[commandName + "Buffer"] ='],
    ['Commander.prototype.call =', 'Object.setPrototypeOf(Commander.prototype, table);\nCommander.prototype.call ='],
  ],
};

function patched(code, name) {
  return PATCHES[name].reduce((text, [theirs, ours]) => {
    if (text.split(theirs).length !== 2) throw new Error(`${name} has not '${theirs}' once: look at scripts/redis-client.mjs.`);
    return text.replace(theirs, () => ours);
  }, code);
}

/** The plugin of the bundler. `modules` is the folder of installed packages. */
export function redisClient(modules) {
  const file = (name) => join(modules, name);
  const patches = new Map(Object.keys(PATCHES).map((name) => [file(name), name]));
  const seen = new Set();
  return {
    name: 'redis-client',
    resolveId: {
      order: 'pre',
      handler(source, importer) {
        if (importer === undefined || !WITHIN.test(importer)) return undefined;
        const name = source.replace(/^node:/, '');
        if (standIns[source] !== undefined) return `${STAND_IN}${source}`;
        return process.getBuiltinModule(`node:${name}`) === undefined ? undefined : `${STAND_IN}node:${name}`;
      },
    },
    load(id) {
      // As one text it is read in a fraction of the time.
      if (id === file('@ioredis/commands/built/commands.json')) {
        const text = JSON.stringify(JSON.parse(readFileSync(id, 'utf8')));
        return { code: `module.exports = JSON.parse(${JSON.stringify(text)});`, moduleType: 'js' };
      }
      if (!id.startsWith(STAND_IN)) return undefined;
      const name = id.slice(STAND_IN.length);
      return name.startsWith('node:') ? builtin(name.slice('node:'.length)) : standIns[name](file);
    },
    transform(code, id) {
      const name = patches.get(id);
      if (name === undefined) return undefined;
      seen.add(name);
      return patched(code, name);
    },
    buildEnd(error) {
      const missing = [...patches.values()].filter((name) => !seen.has(name));
      if (error === undefined && missing.length > 0) throw new Error(`Not found in the build: ${missing}`);
    },
  };
}

/** Does this import belong to the client? */
export const isRedisClient = (id, importer) => PACKAGES.includes(id) || WITHIN.test(importer ?? '');

/** The licences of all that the file holds, in one. */
export function writeLicences(modules, path) {
  const texts = PACKAGES.map((name) => {
    const { version, author } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    const found = ['LICENSE', 'license', 'license.md', 'LICENSE.md'].map((file) => join(modules, name, file)).find(existsSync);
    if (found === undefined) throw new Error(`${name} has no licence in its package: ${author}`);
    return `${name} ${version}\n\n${readFileSync(found, 'utf8').trim()}\n`;
  });
  writeFileSync(path, texts.join(`\n${'-'.repeat(80)}\n\n`));
}
