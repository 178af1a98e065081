// What the two blueprints of a worker are made of, before any worker runs: for pictures and for whoever writes a step.
import { type Bootstep, orderSteps } from './bootsteps.ts';
import type { ConsumerHost, WorkerHost } from './host.ts';
import { orderConsumerSteps } from './line.ts';
import { firstSteps, lastStep, lineSteps } from './steps/index.ts';

/** One step of a picture. */
export interface StepInfo {
  readonly name: string;
  /** Names of steps that start before it because it says so. */
  readonly requires: readonly string[];
  /** Left out by workers that do not need it. */
  readonly conditional: boolean;
  /** Starts after all others. */
  readonly last: boolean;
}

/** Both blueprints, each in the order in which its steps start. */
export interface Blueprints {
  readonly worker: readonly StepInfo[];
  readonly consumer: readonly StepInfo[];
}

/** All steps of a worker with a program's own among them, in order. Throws ConfigurationError as `orderSteps` does. */
export function workerSteps(own: readonly Bootstep<WorkerHost>[]): readonly Bootstep<WorkerHost>[] {
  return orderSteps([...firstSteps, ...own, lastStep]);
}

function infoOf<Host>(steps: readonly Bootstep<Host>[], last: string): readonly StepInfo[] {
  return steps.map(({ name, requires = [], enabled }) => {
    return { name, requires, conditional: enabled !== undefined, last: name === last };
  });
}

/** What the app's own steps and those of every worker make together. Throws ConfigurationError for steps that cannot be ordered. */
export function describeBlueprints(app: {
  readonly steps: { readonly worker: readonly unknown[]; readonly consumer: readonly unknown[] };
}): Blueprints {
  const worker = workerSteps(app.steps.worker as readonly Bootstep<WorkerHost>[]);
  const consumer = orderConsumerSteps([...lineSteps, ...(app.steps.consumer as readonly Bootstep<ConsumerHost>[])]);
  return { worker: infoOf(worker, lastStep.name), consumer: infoOf(consumer, '') };
}
