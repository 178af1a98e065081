import { expect, it } from 'vitest';
import { openSlotPool } from '../../../src/pool/slot-pool.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { never, program, puppets } from './puppets.ts';

it('a slot that uses too much before its first task is not replaced before it, but after it', async () => {
  const { started, open } = puppets();
  const opening = openSlotPool(
    'prefork',
    { limit: 1, program, ended: async () => outcomeOf('FAILURE'), maxMemoryPerChild: 1000 },
    open,
  );
  started[0]?.up();
  await using pool = await opening;
  started[0]?.uses(50_000);
  started[0]?.uses(50_000);
  expect(started).toHaveLength(1);
  expect(await pool.run(jobOf('t'), { signal: never })).toMatchObject({ state: 'SUCCESS' });
  started[0]?.uses(900);
  expect(started).toHaveLength(1);
  started[0]?.uses(50_000);
  expect(started).toHaveLength(2);
  started[1]?.up();
});
