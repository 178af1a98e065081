// The short runs of all scenarios that apply to some stacks, as tests of one file: its scenarios share the servers of its process.
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from '../../support/program.ts';
import { scenarios } from '../scenarios/index.ts';
import { closeSharedServers } from './lovage-stack.ts';
import { brokenPromises, CROWDED_SLACK, type StackName } from './scenario.ts';

/** A new one each run, so that many runs see many moments; `FAULT_SEED` repeats one. */
const seed = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);

/** `few`: those that run on a chosen few of the brokers (`daily`); else those that run on all. */
export function describeFaults(stacks: readonly StackName[], which: 'all' | 'few'): void {
  beforeAll(ensureBuilt);
  afterAll(closeSharedServers);
  describe.each(stacks)('%s', (stack) => {
    const applying = scenarios.filter(
      ({ applies, longOnly, daily }) =>
        longOnly !== true && (daily ?? applies).includes(stack) && (daily !== undefined) === (which === 'few'),
    );
    test.each(applying)('$title', async (scenario) => {
      const result = await scenario.run({ stack, seed, scale: 'short' });
      const where = `FAULT_SEED=${seed} repeats it; the ledger is in ${result.folder}`;
      expect(brokenPromises(result, CROWDED_SLACK), where).toEqual([]);
      // A process that is just ending may still write there.
      if (result.folder !== undefined) rmSync(result.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    });
  });
}
