// All scenarios, in the order of the table. A scenario is added here, and runs in the short tests and in the long runner.
import type { Scenario } from '../harness/scenario.ts';
import { poison } from './poison.ts';
import { workerKill } from './worker-kill.ts';

export const scenarios: readonly Scenario[] = [workerKill, poison];
