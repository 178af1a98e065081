// The blueprint of the consumer: what lives as long as one line to the broker, and is started anew with the next. Two of its steps are
// built in and only mark places: `connection` (the broker answers, the queues are declared) and `tasks` (the first take is armed). A
// step comes between them unless it requires `tasks`, or a step that does; so what tasks need is there before the first one comes.
import type { LineSteps } from '../consumer/index.ts';
import { ConfigurationError, deadline, LovageError, ShutdownError } from '../util/index.ts';
import { type Blueprint, type Bootstep, orderSteps, startOrdered } from './bootsteps.ts';
import type { ConsumerHost, WorkerHost } from './host.ts';

/** Name of the step that stands for the line itself. */
export const CONNECTION = 'connection';
/** Name of the step that stands for the taking of tasks. */
export const TASKS = 'tasks';
/** Seconds that the steps of a line that is gone get to stop. */
const CLOSE_PATIENCE = 5;

const mark = (name: string, requires: readonly string[] = []): Bootstep<ConsumerHost> => ({
  name,
  requires,
  start: async () => undefined,
});

/** All steps of the consumer in the order in which they start, the built-in ones too. Throws ConfigurationError as `orderSteps` does. */
export function orderConsumerSteps(own: readonly Bootstep<ConsumerHost>[]): readonly Bootstep<ConsumerHost>[] {
  const ordered = orderSteps([mark(CONNECTION), ...own, mark(TASKS, [CONNECTION])]);
  const late = new Set([TASKS]);
  // Requirements stand before whoever has them, so one look is enough.
  for (const { name, requires = [] } of ordered) if (requires.some((other) => late.has(other))) late.add(name);
  const isMark = ({ name }: Bootstep<ConsumerHost>): boolean => name === CONNECTION;
  return [
    ...ordered.filter(isMark),
    ...ordered.filter((step) => !late.has(step.name) && !isMark(step)),
    ...ordered.filter((step) => late.has(step.name)),
  ];
}

/** A transient failure is one of the line, and is tried again; any other is one of the step. */
function explain(error: unknown): Error {
  if (error instanceof LovageError) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new ConfigurationError(`A bootstep of the consumer could not start: ${said}`, { cause: error });
}

/** The steps of a consumer, as its line starts and ends them. */
export interface Line extends LineSteps {
  info(): Readonly<Record<string, unknown>>;
}

/** Makes the blueprint; undefined when there is nothing of a program's own in it. */
export function createLine(own: readonly Bootstep<ConsumerHost>[], worker: WorkerHost): Line | undefined {
  if (own.length === 0) return undefined;
  const ordered = orderConsumerSteps(own);
  const border = ordered.findIndex(({ name }) => name === TASKS);
  let open: Blueprint[] = [];
  let lines = 0;
  const start = async (steps: readonly Bootstep<ConsumerHost>[], signal: AbortSignal): Promise<void> => {
    const host: ConsumerHost = { hostname: worker.hostname, worker, line: lines };
    try {
      open.push(await startOrdered(steps, host, signal, 'Consumer'));
    } catch (error) {
      throw explain(error);
    }
  };
  return {
    connected: async (signal) => {
      lines++;
      await start(ordered.slice(0, border), signal);
    },
    subscribed: (signal) => start(ordered.slice(border), signal),
    drain: async (signal) => {
      for (const blueprint of open.toReversed()) await blueprint.drain(signal);
    },
    lost: async () => {
      const ending = open.toReversed();
      open = [];
      // What hangs with a line that is dead must not keep the next one from being opened.
      using limit = deadline(CLOSE_PATIENCE, () => new ShutdownError('The line is gone.'));
      for (const blueprint of ending) await blueprint.stop(limit.signal);
    },
    info: () => Object.assign({}, ...open.map((blueprint) => blueprint.info())) as Readonly<Record<string, unknown>>,
  };
}
