// Builds packages/lovage/dist from its sources: plain tsc, no bundler.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'packages/lovage/dist');
rmSync(dist, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [join(root, 'node_modules/ts7/bin/tsc'), '-p', join(root, 'packages/lovage/tsconfig.build.json')],
  {
    stdio: 'inherit',
  },
);
writeFileSync(join(dist, '.built'), '');
