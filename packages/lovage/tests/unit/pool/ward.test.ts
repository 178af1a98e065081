// A process for single jobs beside a pool that has none. It comes up when the test says so.
import { expect, it } from 'vitest';
import { Run } from '../../../src/consumer/request.ts';
import { open as openAsync } from '../../../src/pool/async.ts';
import { openSlotPool } from '../../../src/pool/slot-pool.ts';
import type { EndOutside, Execute } from '../../../src/pool/slots.ts';
import { withWard } from '../../../src/pool/ward.ts';
import { TaskRevokedError } from '../../../src/util/index.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';
import { program, puppets } from './puppets.ts';

const execute: Execute = async () => outcomeOf('SUCCESS');
const ended: EndOutside = async () => outcomeOf('REVOKED');

it('never begins a job that was asked to stop while its process was started', async () => {
  const { started, open } = puppets();
  await using pool = await withWard(
    { execute, ended, program },
    (options) => openSlotPool('prefork', { ...options, program, ended }, open),
    (alone) => openAsync({ limit: 1, execute, ended, ...(alone === undefined ? {} : { alone }) }),
  );
  let began = 0;
  const run = new Run(() => began++);
  const outcome = pool.alone?.(jobOf('t'), run);
  run.abort(new TaskRevokedError('terminated'));
  started[0]?.up();
  expect(await outcome).toMatchObject({ state: 'REVOKED' });
  expect(began).toBe(0);
});
