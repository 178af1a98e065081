// All that follows from one state of the settings: queues, routes, what each task's options are. Made anew when a setting changes.
import type { TaskDefinition, TaskHandlers, TaskOptions } from '../task/index.ts';
import { effectiveOptions, explicitOptions } from './annotations.ts';
import { type BroadcastNames, createQueues, type Queues } from './queues.ts';
import { createRouting, type Routing } from './router.ts';
import type { Settings } from './settings.ts';

/** One state of the settings, with what is made of it. */
export interface State {
  readonly settings: Settings;
  readonly queues: Queues;
  readonly routing: Routing;
  /** What a task says for itself, annotations included. */
  explicit(definition: TaskDefinition): Readonly<TaskOptions & TaskHandlers>;
  /** The same over the settings. */
  effective(definition: TaskDefinition): Readonly<TaskOptions & TaskHandlers>;
}

/** The state that belongs to these settings. */
export function createState(settings: Settings, broadcasts: BroadcastNames): State {
  const explicit = remembering((definition) => Object.freeze({ ...explicitOptions(definition, settings) }));
  return {
    settings,
    queues: createQueues(settings, broadcasts),
    routing: createRouting(settings.taskRoutes),
    explicit,
    effective: remembering((definition) => effectiveOptions(explicit(definition), settings)),
  };
}

function remembering(
  make: (definition: TaskDefinition) => Readonly<TaskOptions & TaskHandlers>,
): (definition: TaskDefinition) => Readonly<TaskOptions & TaskHandlers> {
  const made = new WeakMap<TaskDefinition, Readonly<TaskOptions & TaskHandlers>>();
  return (definition) => {
    const known = made.get(definition);
    if (known !== undefined) return known;
    const options = make(definition);
    made.set(definition, options);
    return options;
  };
}
