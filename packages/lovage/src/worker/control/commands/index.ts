// Every command that a worker knows by itself; one file for each.
import type { Command } from '../seam.ts';
import { active } from './active.ts';
import { activeQueues } from './active-queues.ts';
import { addConsumer } from './add-consumer.ts';
import { autoscale } from './autoscale.ts';
import { cancelConsumer } from './cancel-consumer.ts';
import { clock } from './clock.ts';
import { conf } from './conf.ts';
import { disableEvents } from './disable-events.ts';
import { election } from './election.ts';
import { enableEvents } from './enable-events.ts';
import { heapSnapshot } from './heap-snapshot.ts';
import { heartbeat } from './heartbeat.ts';
import { hello } from './hello.ts';
import { memdump } from './memdump.ts';
import { memsample } from './memsample.ts';
import { objgraph } from './objgraph.ts';
import { ping } from './ping.ts';
import { poolGrow } from './pool-grow.ts';
import { poolRestart } from './pool-restart.ts';
import { poolShrink } from './pool-shrink.ts';
import { queryTask } from './query-task.ts';
import { rateLimit } from './rate-limit.ts';
import { registered } from './registered.ts';
import { report } from './report.ts';
import { reserved } from './reserved.ts';
import { revoke } from './revoke.ts';
import { revokeByStampedHeaders } from './revoke-by-stamped-headers.ts';
import { revoked } from './revoked.ts';
import { scheduled } from './scheduled.ts';
import { shutdown } from './shutdown.ts';
import { stats } from './stats.ts';
import { terminate } from './terminate.ts';
import { timeLimit } from './time-limit.ts';

export const builtInCommands: readonly Command[] = [
  activeQueues,
  active,
  addConsumer,
  autoscale,
  cancelConsumer,
  clock,
  conf,
  disableEvents,
  election,
  enableEvents,
  heapSnapshot,
  heartbeat,
  hello,
  memdump,
  memsample,
  objgraph,
  ping,
  poolGrow,
  poolRestart,
  poolShrink,
  queryTask,
  rateLimit,
  registered,
  report,
  reserved,
  revokeByStampedHeaders,
  revoke,
  revoked,
  scheduled,
  shutdown,
  stats,
  terminate,
  timeLimit,
];
