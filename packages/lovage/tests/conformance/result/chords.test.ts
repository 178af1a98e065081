// Chords are counted alike by every store that counts them.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { redisUrl } from '../../support/servers.ts';
import { describeChords } from './describe-chords.ts';
import { optionsFor } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lovage-chords-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const memory = `memory://${randomUUID()}`;
const prefix = `chords-${randomUUID()}`;

describeChords('memory', { options: () => optionsFor(memory) });
describeChords('sqlite', { options: () => optionsFor(`sqlite://${join(folder, 'results.db')}`) });
describeChords('redis', { options: () => optionsFor(redisUrl(), { transportOptions: { globalKeyprefix: prefix } }) });
describeChords(
  'redis, unordered',
  {
    options: () => optionsFor(redisUrl(), { transportOptions: { globalKeyprefix: `${prefix}-list`, resultChordOrdered: false } }),
  },
  { ordered: false },
);
