// The one suite that every broker driver passes. A driver's test file gives a harness and its traits; nothing is skipped:
// what a driver cannot do is asserted as its refusal.
import { describe } from 'vitest';
import { describeDelays } from './delays.ts';
import { describeDelivery } from './delivery.ts';
import { describeFaults } from './faults.ts';
import type { BrokerHarness, BrokerTraits } from './harness.ts';
import { describeQueues } from './queues.ts';
import { describeRouting } from './routing.ts';
import { describeSettling } from './settling.ts';
import { describeSuccession } from './succession.ts';
import { describeWaiting } from './waiting.ts';

export type { BrokerHarness, BrokerTraits } from './harness.ts';

export interface Suite {
  readonly setup: () => Promise<BrokerHarness>;
  readonly traits: BrokerTraits;
}

/** Runs the suite over one driver. `setup` is called once per test, so that all of them can run at once. */
export function describeBroker(name: string, setup: () => Promise<BrokerHarness>, traits: BrokerTraits): void {
  const suite: Suite = { setup, traits };
  describe(`broker ${name}`, { concurrent: true }, () => {
    describeRouting(suite);
    describeDelivery(suite);
    describeSettling(suite);
    describeSuccession(suite);
    describeQueues(suite);
    describeDelays(suite);
    describeFaults(suite);
    describeWaiting(suite);
  });
}
