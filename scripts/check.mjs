// `npm run check`: format, lint with types, unused code, and the package as others will install it. Prints one line for each, runs all.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules/.bin');
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
const steps = [
  ['types', 'node', ['node_modules/ts7/bin/tsc', '-p', 'packages/lovage/tsconfig.json'], root],
  ['types of examples', 'node', ['node_modules/ts7/bin/tsc', '-p', 'examples/tsconfig.json'], root],
  ['biome', 'biome', ['check', '--error-on-warnings', '.'], root],
  ['oxlint', 'oxlint', ['--type-aware', '--deny-warnings', 'packages', 'scripts', 'examples'], root],
  ['knip', 'knip', [], root],
  ['build', 'node', ['scripts/build.mjs'], root],
  ['publint', 'publint', ['--strict'], join(root, 'packages/lovage')],
  ['are the types wrong', 'attw', ['--pack', '.', '--profile', 'esm-only'], join(root, 'packages/lovage')],
  ['architecture', 'vitest', ['run', '--project', 'unit', 'packages/lovage/tests/architecture.test.ts'], root],
];
let failed = 0;
for (const [name, command, args, cwd] of steps) {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28 });
  const pass = result.status === 0;
  if (!pass) failed += 1;
  console.log(`${pass ? 'pass' : 'FAIL'}  ${name}`);
  if (!pass) console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`.slice(0, 6000));
}
process.exitCode = failed > 0 ? 1 : 0;
