// `npm test`: types, then every kind of test on real servers, in one run that starts the shared servers once and ends with one line of counts.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.env.PATH = `${join(root, 'node_modules/.bin')}:${process.env.PATH}`;
const run = (args, options = {}) => spawnSync('node', args, { cwd: root, stdio: 'inherit', ...options }).status === 0;

const typesPass = ['packages/lovage/tsconfig.json', 'examples/tsconfig.json'].every((project) =>
  run(['node_modules/ts7/bin/tsc', '-p', project]),
);
console.log(typesPass ? 'Types: pass' : 'Types: FAIL');
// Once, before anything runs: the tests of the package and of the command line use what is built.
run(['scripts/build.mjs']);
process.env.LOVAGE_BUILT = '1';
const installed = run(['scripts/servers/cli.ts', 'install']);

const report = join(tmpdir(), `lovage-tests-${process.pid}.json`);
const servers = spawn('node', ['scripts/servers/cli.ts', 'redis', 'rabbitmq'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const urls = await new Promise((resolve) => {
  let text = '';
  servers.stdout.on('data', (chunk) => {
    text += chunk;
    const found = Object.fromEntries([...text.matchAll(/^(\w+): (\S+)$/gm)].map(([, name, url]) => [name, url]));
    if (found.redis && found.rabbitmq) resolve(found);
  });
  servers.once('exit', () => resolve({}));
});
const env = { ...process.env, ...(urls.redis ? { LOVAGE_TEST_REDIS_URL: urls.redis, LOVAGE_TEST_AMQP_URL: urls.rabbitmq } : {}) };
// Not spawnSync: the servers' output must be read meanwhile.
await new Promise((resolve) => {
  const tests = spawn(
    'node',
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...process.argv.slice(2),
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env,
    },
  );
  tests.once('exit', resolve);
});
servers.kill('SIGTERM');

const counts = { passed: typesPass ? 1 : 0, failed: (typesPass ? 0 : 1) + (installed ? 0 : 1), skipped: 0 };
try {
  const results = JSON.parse(readFileSync(report, 'utf8'));
  counts.passed += results.numPassedTests;
  counts.failed += results.numFailedTests;
  counts.skipped += results.numPendingTests + (results.numTodoTests ?? 0);
  // A file that cannot even be loaded has no tests that could fail.
  counts.failed += results.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  if (results.numTotalTests === 0) counts.failed += 1;
} catch (error) {
  console.error(`No report from the test run: ${error.message}`);
  counts.failed += 1;
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed + counts.skipped > 0 ? 1 : 0;
