// All scenarios, in the order of the table. A scenario is added here, and runs in the short tests and in the long runner.
import type { Scenario } from '../harness/scenario.ts';
import { brokerKill, brokerKillEverysec } from './broker-kill.ts';
import { brokerLongStall, brokerStall } from './broker-stall.ts';
import { cuts } from './cuts.ts';
import { damagedFile } from './damaged-file.ts';
import { loopBlock } from './loop-block.ts';
import { machineDead } from './machine-dead.ts';
import { mutations } from './mutations.ts';
import { poison } from './poison.ts';
import { publishCut } from './publish-cut.ts';
import { settleCut } from './settle-cut.ts';
import { takeKill } from './take-kill.ts';
import { workerFreeze } from './worker-freeze.ts';
import { workerKill } from './worker-kill.ts';

export const scenarios: readonly Scenario[] = [
  workerKill,
  takeKill,
  workerFreeze,
  machineDead,
  loopBlock,
  brokerKill,
  brokerKillEverysec,
  brokerStall,
  brokerLongStall,
  cuts,
  publishCut,
  settleCut,
  poison,
  damagedFile,
  mutations,
];
