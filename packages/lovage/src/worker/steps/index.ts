// The steps that every worker has, in the order in which they start.
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';
import { autoscaleStep } from './autoscale.ts';
import { chordsStep } from './chords.ts';
import { cleanupStep } from './cleanup.ts';
import { consumerStep } from './consumer.ts';
import { poolStep } from './pool.ts';
import { purgeStep } from './purge.ts';

/** The steps before a program's own. */
export const firstSteps: readonly Bootstep<WorkerHost>[] = [poolStep, autoscaleStep, cleanupStep, chordsStep, purgeStep];
/** Starts after all others and drains before them. */
export const lastStep: Bootstep<WorkerHost> = consumerStep;
