// The steps that every worker has, in the order in which they start.
import type { Bootstep } from '../bootsteps.ts';
import type { ConsumerHost, WorkerHost } from '../host.ts';
import { autoscaleStep } from './autoscale.ts';
import { chordsStep } from './chords.ts';
import { cleanupStep } from './cleanup.ts';
import { consumerStep } from './consumer.ts';
import { controlStep } from './control.ts';
import { eventsStep } from './events.ts';
import { gossipStep } from './gossip.ts';
import { healthStep } from './health.ts';
import { heartStep } from './heart.ts';
import { loopStep } from './loop.ts';
import { parkedStep } from './parked.ts';
import { pausesStep } from './pauses.ts';
import { poolStep } from './pool.ts';
import { purgeStep } from './purge.ts';
import { revokesStep } from './revokes.ts';
import { stateStep } from './state.ts';

/** The steps before a program's own. */
export const firstSteps: readonly Bootstep<WorkerHost>[] = [
  stateStep,
  healthStep,
  revokesStep,
  parkedStep,
  poolStep,
  loopStep,
  autoscaleStep,
  cleanupStep,
  chordsStep,
  pausesStep,
  purgeStep,
  controlStep,
  eventsStep,
];
/** What lives with each line to the broker, beside a program's own. */
export const lineSteps: readonly Bootstep<ConsumerHost>[] = [heartStep, gossipStep];
/** Starts after all others and drains before them. */
export const lastStep: Bootstep<WorkerHost> = consumerStep;
