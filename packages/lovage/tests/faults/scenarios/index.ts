// All scenarios, in the order of the table. A scenario is added here, and runs in the short tests and in the long runner.
import type { Scenario } from '../harness/scenario.ts';
import { clientsKilled, wiped } from './admin.ts';
import { brokerAway } from './broker-away.ts';
import { brokerKill, brokerKillEverysec } from './broker-kill.ts';
import { brokerLongStall, brokerStall } from './broker-stall.ts';
import { chains } from './chains.ts';
import { cuts } from './cuts.ts';
import { damagedFile, diskFull } from './damaged-file.ts';
import { etaVisibility, parked } from './eta.ts';
import { rolling, sigterm, termKill } from './lifecycle.ts';
import { loopBlock } from './loop-block.ts';
import { machineDead } from './machine-dead.ts';
import { million } from './million.ts';
import { mutations, tooMuch } from './mutations.ts';
import { forgotten, partition } from './partition.ts';
import { pills } from './pills.ts';
import { poison } from './poison.ts';
import { slotBroken, slotDeaths, slotLeak, slotOrphans, threadDeaths } from './pools.ts';
import { publishCut } from './publish-cut.ts';
import { alarm, consumerTimeout } from './rabbitmq-limits.ts';
import { resendKill } from './resend-kill.ts';
import { resultsAway } from './results-away.ts';
import { deafTasks, filesOut, threadsBusy } from './scarce.ts';
import { settleCut } from './settle-cut.ts';
import { settleKill } from './settle-kill.ts';
import { slowBroker, slowLine } from './slow-line.ts';
import { takeKill } from './take-kill.ts';
import { workerFreeze } from './worker-freeze.ts';
import { workerKill } from './worker-kill.ts';

export const scenarios: readonly Scenario[] = [
  workerKill,
  takeKill,
  workerFreeze,
  machineDead,
  loopBlock,
  threadsBusy,
  filesOut,
  deafTasks,
  brokerKill,
  brokerKillEverysec,
  brokerStall,
  brokerLongStall,
  brokerAway,
  slowBroker,
  slowLine,
  partition,
  forgotten,
  resultsAway,
  clientsKilled,
  wiped,
  alarm,
  consumerTimeout,
  cuts,
  publishCut,
  settleCut,
  settleKill,
  chains,
  slotDeaths,
  threadDeaths,
  slotBroken,
  slotLeak,
  slotOrphans,
  poison,
  pills,
  resendKill,
  sigterm,
  termKill,
  rolling,
  etaVisibility,
  parked,
  million,
  diskFull,
  damagedFile,
  mutations,
  tooMuch,
];
