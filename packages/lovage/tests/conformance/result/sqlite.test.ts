// Both clients share this process's one connection to the file; other processes are the subject of processes.test.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { describeBackend } from './describe-backend.ts';
import { optionsFor } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-results-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeBackend('sqlite', { options: () => optionsFor(`sqlite://${join(folder, 'results.db')}`) });
