// The port through which declared tasks and their signatures reach their app.
import type { ExecuteEnvironment } from './environment.ts';
import type { BoundApp } from './handlers.ts';
import type { TaskDefinition } from './options.ts';
import type { CanvasMaker } from './signature.ts';

/** What declared tasks need of their app. */
export interface TaskPort {
  readonly app: BoundApp;
  /** Asked at the first use: declaring a task configures nothing. */
  environment(): ExecuteEnvironment;
  register(definition: TaskDefinition): void;
  /** Makes canvases of their signatures; the canvas room gives it. Without it nothing can be piped. */
  readonly canvas?: CanvasMaker;
}
