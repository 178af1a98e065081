// Builds packages/lovage/dist from its sources: plain tsc, no bundler. The old one stays until the new one is whole. A test run builds
// once and says so (LOVAGE_BUILT), so that nobody swaps the package under a test that uses it.
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'packages/lovage/dist');

function build() {
  const fresh = `${dist}.${process.pid}`;
  const compiler = join(root, 'node_modules/ts7/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', join(root, 'packages/lovage/tsconfig.build.json'), '--outDir', fresh], {
    stdio: 'inherit',
  });
  writeFileSync(join(fresh, '.built'), '');
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
}

if (process.env.LOVAGE_BUILT !== '1' || !existsSync(join(dist, '.built'))) build();
