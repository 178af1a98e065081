// What docs/cli.md shows of each command is what it does: every line is run and compared. `node scripts/cli-transcripts.ts` writes it anew.
import { beforeAll, expect, test } from 'vitest';
import { commandTable } from '../../../src/cli/commands/table.ts';
import { readTranscripts, record, type Transcripts } from '../../support/cli/transcripts.ts';
import { ensureBuilt } from '../../support/program.ts';

const kept = readTranscripts();
let seen: Transcripts = {};

beforeAll(async () => {
  ensureBuilt();
  seen = await record();
}, 120_000);

test('each command has one', () => {
  expect(Object.keys(kept).toSorted()).toEqual(commandTable.map(({ name }) => name).toSorted());
});

test.each(Object.keys(kept))('%s prints what the page shows', (command) => {
  expect(seen[command], 'if this is meant, run: node scripts/cli-transcripts.ts').toBe(kept[command]);
});
