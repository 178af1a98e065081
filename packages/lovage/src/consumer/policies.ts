// The policy of each task as it is now: what its options and the settings say, and what remote control changed since.
import type { Job, TaskDefinition } from '../task/index.ts';
import { policyOf, type TaskPolicy } from './policy.ts';
import type { WorkerApp } from './port.ts';
import type { Entry } from './request.ts';

/** What can be changed of a task while a worker runs. */
export type PolicyChange = Partial<Pick<TaskPolicy, 'rate' | 'timeLimit' | 'softTimeLimit'>>;

/** The policies of a worker's tasks. */
export class Policies {
  readonly #app: Pick<WorkerApp, 'options' | 'settings'>;
  #made = new WeakMap<TaskDefinition, TaskPolicy>();
  /** What was changed while the worker runs, by task name. */
  readonly #changes = new Map<string, PolicyChange>();

  constructor(app: Pick<WorkerApp, 'options' | 'settings'>) {
    this.#app = app;
  }

  /** Made once for each definition and change. */
  of(definition: TaskDefinition): TaskPolicy {
    let policy = this.#made.get(definition);
    if (policy === undefined) {
      const { settings } = this.#app;
      policy = {
        ...policyOf(definition.name, this.#app.options(definition), settings),
        ...this.#changes.get(definition.name),
        ...(settings.workerDisableRateLimits ? { rate: undefined } : {}),
      };
      this.#made.set(definition, policy);
    }
    return policy;
  }

  /** Starts in a second that this task is limited to now; undefined: no limit. */
  rateOf({ definition, policy }: Entry): number | undefined {
    return this.#changes.size === 0 ? policy.rate : this.of(definition).rate;
  }

  /** From now on, until the worker ends. */
  change(task: string, change: PolicyChange): void {
    this.#changes.set(task, { ...this.#changes.get(task), ...change });
    this.#made = new WeakMap();
  }

  /** Limits may have changed since the message came; those of the message itself win. */
  job({ request, job }: Entry): Job {
    const change = this.#changes.get(request.task);
    if (change === undefined || !('timeLimit' in change)) return job;
    const { timeLimit, softTimeLimit } = request;
    return { ...job, timeLimit: timeLimit ?? change.timeLimit, softTimeLimit: softTimeLimit ?? change.softTimeLimit };
  }
}
