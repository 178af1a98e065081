// Installs what is missing before `npm run demo` and `npm test`: dependencies when node_modules is absent or older than the lockfile,
// and the built package when it is absent or older than its sources. Runs on the machine's own Node, whichever that is.
import { execSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const time = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);
const newest = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((latest, entry) => Math.max(latest, time(join(entry.parentPath ?? entry.path, entry.name))), 0);

if (time(join(root, 'node_modules/.package-lock.json')) < time(join(root, 'package-lock.json'))) {
  console.log('Installing dependencies (npm ci) …');
  execSync('npm ci --no-fund --no-audit --loglevel=error', { cwd: root, stdio: 'inherit' });
}
const built = time(join(root, 'packages/lovage/dist/.built'));
if (built < newest(join(root, 'packages/lovage/src'))) {
  execSync('node scripts/build.mjs', { cwd: root, stdio: 'inherit' });
}
