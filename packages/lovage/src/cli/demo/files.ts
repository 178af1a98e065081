// The text files of a folder, for the demonstration.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SKIPPED = new Set(['node_modules', '.git', '.node', 'dist', '.lovage']);
const MAX_BYTES = 2_000_000;
const MOST = 5000;

function isText(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || stat.size > MAX_BYTES) return false;
  // Whatever has a NUL byte in its first kilobyte is none.
  return !readFileSync(path).subarray(0, 1024).includes(0);
}

/** At most 5000 of them, by name. */
export function textFiles(folder: string, found: string[] = []): readonly string[] {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (found.length >= MOST) break;
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) textFiles(path, found);
    else if (entry.isFile() && isText(path)) found.push(path);
  }
  return found;
}
