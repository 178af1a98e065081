// The file of the embedded broker, garbled in many ways: none ends in a loop or a crash, and what was not hit comes out.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fullDisk } from '../harness/full-disk.ts';
import { garbleMany } from '../harness/garbled.ts';
import type { Scenario } from '../harness/scenario.ts';

const VARIANTS = { short: 150, long: 3000 } as const;

export const diskFull: Scenario = {
  id: 'disk-full',
  title: 'Disk full',
  applies: ['sqlite'],
  // The short run is in disk.test.ts.
  longOnly: true,
  run: async ({ seed }) => {
    const folder = mkdtempSync(join(tmpdir(), `lovage-fault-full-${seed}-`));
    const violations = await fullDisk(folder);
    rmSync(folder, { recursive: true, force: true });
    const note = 'new publishes are refused in words, what was held ended, and all went on when there was room';
    return { lost: 0, doubled: 0, phantom: 0, doubleFinal: 0, inFlight: 0, recoverySeconds: [], violations, note };
  },
};

export const damagedFile: Scenario = {
  id: 'damaged-file',
  title: 'File cut short, with flipped bits, pages of zeros or noise, pages twice',
  applies: ['sqlite'],
  // The short run is in disk.test.ts.
  longOnly: true,
  run: async ({ seed, scale }) => {
    const folder = mkdtempSync(join(tmpdir(), `lovage-fault-file-${seed}-`));
    const { variants, saved, refused, messages, survived, violations } = await garbleMany(folder, seed, VARIANTS[scale]);
    rmSync(folder, { recursive: true, force: true });
    const part = ((100 * survived) / messages).toFixed(1);
    return {
      // What a damage destroys is not lost by Lovage; what came out beside it is in the note.
      lost: 0,
      doubled: 0,
      phantom: 0,
      doubleFinal: 0,
      inFlight: 0,
      recoverySeconds: [],
      violations,
      note: `${variants} files: ${saved} saved into new ones, ${refused} left alone with an error that names them; ${part} % of all messages came out of the others`,
    };
  },
};
