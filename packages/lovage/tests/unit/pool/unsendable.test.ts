// A message that no frame can carry. The slot here runs every job at once.
import { expect, it } from 'vitest';
import { openSlotPool } from '../../../src/pool/slot-pool.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { never, program, puppets } from './puppets.ts';

it('is the end of its job, and of nothing else', async () => {
  const { started, open } = puppets();
  const opening = openSlotPool('prefork', { limit: 1, program, ended: async () => outcomeOf('FAILURE') }, open);
  started[0]?.up();
  await using pool = await opening;
  // Deeper than V8 follows.
  const deep: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
  const { state, repr } = await pool.run(jobOf('t', {}, { headers: { deep } }), { signal: never });
  expect([state, repr]).toEqual(['LOST', expect.stringContaining('tests.task cannot be handed to a slot')]);
  expect(pool.running).toBe(0);
  expect(await pool.run(jobOf('u'), { signal: never })).toMatchObject({ state: 'SUCCESS' });
  expect(started).toHaveLength(1);
});
