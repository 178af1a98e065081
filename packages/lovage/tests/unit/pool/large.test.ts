import { expect, it } from 'vitest';
import { LARGE_FRAME } from '../../../src/pool/large.ts';
import { openSlotPool } from '../../../src/pool/slot-pool.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { toldBy } from '../../support/told.ts';
import { never, program, puppets } from './puppets.ts';

const told = toldBy('pool');

it('arguments larger than sixteen megabytes are told of once for each task', async () => {
  const { started, open } = puppets();
  const opening = openSlotPool('prefork', { limit: 1, program, ended: async () => outcomeOf('FAILURE') }, open);
  started[0]?.up();
  await using pool = await opening;
  for (const [task, bytes] of [
    ['shop.small', LARGE_FRAME],
    ['shop.big', LARGE_FRAME + 1],
    ['shop.big', LARGE_FRAME + 1],
    ['shop.other', 2 * LARGE_FRAME],
  ] as const)
    await pool.run(jobOf('t', { body: new Uint8Array(bytes) }, { task }), { signal: never });
  expect(told).toEqual([
    expect.stringContaining('warning: The arguments of shop.big took 16 MB'),
    expect.stringContaining('warning: The arguments of shop.other took 32 MB'),
  ]);
});
