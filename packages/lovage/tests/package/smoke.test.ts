// The package as its users get it: packed, installed into an empty project, and used on every supported Node from ESM and from CommonJS.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCluster, startRedis, startSafeSentinel } from '../../../../scripts/servers/index.ts';
import { authority } from '../support/tls-line.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../../..');
const PLATFORM = `${process.platform}-${process.arch}`;
const VERSIONS: Readonly<Record<string, string>> = { '22': '22.23.3', '24': '24.21.0', '26': '26.10.0' };

const folder = mkdtempSync(join(tmpdir(), 'lovage-smoke-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Brings a Node of its own from the registry, kept in .node/ between runs. */
async function nodeBinary(major: string): Promise<string> {
  const prefix = join(ROOT, '.node', major);
  const binary = join(prefix, 'node_modules', `node-${PLATFORM}`, 'bin/node');
  if (!existsSync(binary)) {
    mkdirSync(prefix, { recursive: true });
    await run('npm', [
      'install',
      '--no-fund',
      '--no-audit',
      '--no-save',
      '--prefix',
      prefix,
      `node-${PLATFORM}@${VERSIONS[major]}`,
    ]);
  }
  return binary;
}

const TASKS = `
app.task('smoke.fails', () => { throw new RangeError('as it should') });
const add = app.task('smoke.add', async (x, y) => x + y);
async function main() {
  await using worker = await startWorker(app, { concurrency: 2 });
  const sum = await (await add.delay(2, 3)).get({ timeout: 20 });
  const failure = await (await app.sendTask('smoke.fails')).get({ timeout: 20 }).catch((error) => error.name);
  console.log(JSON.stringify({ sum, failure }));
}
main().then(() => app.close());
`;
// Node 22 has no \`await using\` in plain JavaScript.
const PLAIN = TASKS.replace('await using worker =', 'const worker =').replace('console.log', 'await worker.stop(); console.log');

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: join(ROOT, 'packages/lovage') });
  writeFileSync(join(folder, 'package.json'), '{ "name": "smoke", "private": true }');
  await run('npm', ['install', '--no-fund', '--no-audit', join(folder, stdout.trim().split('\n').at(-1) as string)], {
    cwd: folder,
  });
  writeFileSync(
    join(folder, 'esm.mjs'),
    `import { Lovage } from 'lovage'; import { startWorker } from 'lovage/worker'; const app = new Lovage('smoke-esm');${PLAIN}`,
  );
  writeFileSync(
    join(folder, 'cjs.cjs'),
    `const { Lovage } = require('lovage'); const { startWorker } = require('lovage/worker'); const app = new Lovage('smoke-cjs');${PLAIN}`,
  );
});

describe.each(Object.keys(VERSIONS))('on Node %s', (major) => {
  let node: string;
  beforeAll(async () => {
    node = await nodeBinary(major);
  });

  test.each(['esm.mjs', 'cjs.cjs'])('defines, calls, runs and reads a task from %s', async (file) => {
    const { stdout } = await run(node, [join(folder, file)], { cwd: folder, timeout: 60_000 });
    expect(JSON.parse(stdout.trim().split('\n').at(-1) as string)).toEqual({ sum: 5, failure: 'RangeError' });
  });
});

test('what is loaded is ASCII: V8 keeps other text at twice the size', () => {
  const dist = join(folder, 'node_modules/lovage/dist');
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => /\.c?js$/.test(file));
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter((file) => /[^\0-\u007f]/.test(readFileSync(join(dist, file), 'utf8')))).toEqual([]);
});

test('Redis needs nothing more installed: plain, by TLS behind Sentinel, in a Cluster', async () => {
  using from = authority();
  await using servers = new AsyncDisposableStack();
  const [redis, sentinel, cluster] = await Promise.all([
    startRedis(),
    startSafeSentinel(from.files('good')),
    startCluster(from.files('good')),
  ]);
  for (const server of [redis, sentinel, cluster]) servers.use(server);
  const script = PLAIN.replace('app.task', "const app = new Lovage('smoke', JSON.parse(process.argv[2])); app.task");
  const file = join(folder, 'redis.mjs');
  writeFileSync(file, `import { Lovage } from 'lovage'; import { startWorker } from 'lovage/worker'; ${script}`);
  const tls = { ssl_ca_certs: from.caFile };
  const behind = { masterName: sentinel.masterName };
  const places = [
    { brokerUrl: redis.url, resultBackend: redis.url },
    {
      ...{ brokerUrl: sentinel.url, brokerUseSsl: tls, brokerTransportOptions: behind },
      ...{ resultBackend: sentinel.url, redisBackendUseSsl: tls, resultBackendTransportOptions: behind },
    },
    // Another database: both workers take from the queue of the same name.
    { brokerUrl: redis.url.replace(/0$/, '1'), resultBackend: `${cluster.url}?ssl_ca_certs=${encodeURIComponent(from.caFile)}` },
  ];
  const said = await Promise.all(places.map((place) => run(process.execPath, [file, JSON.stringify(place)], { cwd: folder })));
  for (const { stdout } of said) expect(JSON.parse(stdout)).toEqual({ sum: 5, failure: 'RangeError' });
  expect(readdirSync(join(folder, 'node_modules'))).not.toContain('ioredis');
});

test('the packed command shows itself at work on a folder of text files', async () => {
  mkdirSync(join(folder, 'texts'));
  writeFileSync(join(folder, 'texts/a.txt'), 'lovage lovage celery\n');
  const command = [join(folder, 'node_modules/lovage/bin/lovage.js'), 'demo', 'texts', '--json'];
  const { stdout } = await run(process.execPath, command, { cwd: folder, timeout: 60_000 });
  expect(JSON.parse(stdout)).toMatchObject({ files: 1, words: 3, retried: 'a.txt: worked at attempt 3' });
});

test('the package holds what it needs and no sources or tests', () => {
  const inside = readdirSync(join(folder, 'node_modules/lovage'));
  expect(inside).toContain('dist');
  expect(inside).toContain('bin');
  expect(inside).not.toContain('src');
  expect(inside).not.toContain('tests');
  const licences = readdirSync(join(folder, 'node_modules/lovage/dist')).filter((name) => name.startsWith('LICENSE-'));
  expect(licences).toEqual(['LICENSE-ioredis.txt', 'LICENSE-optique.txt']);
});
