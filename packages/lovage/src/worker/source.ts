// What a worker asks of whoever it works for; of-app.ts makes one of a Lovage app.
import type { Signals } from '../task/index.ts';
import type { Bootstep } from './bootsteps.ts';
import type { ConsumerHost, WorkerHost, WorkerOptions, WorkerParts } from './host.ts';
import type { ProgramSettings } from './program-settings.ts';

/** An app, as far as a worker needs it before anything is open. */
export interface WorkerSource {
  readonly name: string;
  readonly signals: Signals;
  /** Parts that the app adds to every worker of its own. */
  steps(): readonly Bootstep<WorkerHost>[];
  /** Parts that the app adds to the consumer of every worker, started with each line to the broker. */
  consumerSteps(): readonly Bootstep<ConsumerHost>[];
  /** Read after the signal celerydInit, which may change them. */
  settings(): ProgramSettings;
  /** Imports task modules. */
  load(include: readonly string[]): Promise<void>;
  taskNames(): readonly string[];
  open(options: { readonly hostname: string; readonly worker: WorkerOptions }): Promise<WorkerParts>;
}
