// Bootsteps: the parts of a program, started in a stable order and stopped in the reverse one. The order is that of declaration, bent
// only where `requires` says so. When one part fails to start, those before it are stopped.
import { after, ConfigurationError, didYouMean, logger, orAborted, type Timer } from '../util/index.ts';

const log = logger('worker');
/** Seconds that a part gets to heed that its start is broken off. */
const START_GRACE = 5;

/** What a started part leaves behind. */
export interface Running extends AsyncDisposable {
  /** Its stop is waited for even when the worker is in a hurry, until the worker's last moment: what it leaves behind would do harm. @default false */
  readonly isAwaited?: boolean;
  /** Its drain is waited for beyond the abort of its signal: it ends by itself soon after. @default false */
  readonly isDrainAwaited?: boolean;
  /** Take nothing more and finish what runs, until the signal aborts. */
  drain?(signal: AbortSignal): Promise<void>;
  /** Merged into the worker's statistics. */
  info?(): Readonly<Record<string, unknown>>;
}

/** A part of a program. */
export interface Bootstep<Host> {
  readonly name: string;
  /** Names of steps that are started before this one. */
  readonly requires?: readonly string[];
  /** @default true */
  enabled?(host: Host): boolean;
  // biome-ignore lint/suspicious/noConfusingVoidType: a step that leaves nothing behind need not say so
  start(host: Host, signal: AbortSignal): Promise<Running | void>;
}

/** The steps in the order in which they start. Throws ConfigurationError for an unknown step, a name given twice or a cycle. */
export function orderSteps<Host>(steps: readonly Bootstep<Host>[]): readonly Bootstep<Host>[] {
  const byName = new Map<string, Bootstep<Host>>();
  for (const step of steps) {
    if (byName.has(step.name)) throw new ConfigurationError(`Two bootsteps are called '${step.name}'; give one another name.`);
    byName.set(step.name, step);
  }
  const ordered = new Set<Bootstep<Host>>();
  const visit = (step: Bootstep<Host>, path: readonly string[]): void => {
    if (ordered.has(step)) return;
    const way = [...path, step.name];
    if (path.includes(step.name)) throw new ConfigurationError(`Bootsteps require each other in a circle: ${way.join(' → ')}.`);
    for (const name of step.requires ?? []) {
      const required = byName.get(name);
      if (required === undefined) {
        throw new ConfigurationError(
          `The bootstep '${step.name}' requires '${name}', which does not exist.${didYouMean(name, byName.keys())}`,
        );
      }
      visit(required, way);
    }
    ordered.add(step);
  };
  for (const step of steps) visit(step, []);
  return [...ordered];
}

interface Started {
  readonly name: string;
  readonly running: Running;
}

/** A program of steps, while it runs. */
export interface Blueprint extends AsyncDisposable {
  /** Names of the steps that were started, in order. */
  readonly names: readonly string[];
  /** Drains in reverse order, one after the other; whoever has not drained when the signal aborts is left behind. Never rejects. */
  drain(signal: AbortSignal): Promise<void>;
  info(): Readonly<Record<string, unknown>>;
  /**
   * Stops all in reverse order. A part that has not stopped when `hurry` aborts is left to itself; those behind it get their moment. Parts
   * that are awaited (`isAwaited`) are left when `last` aborts.
   */
  stop(hurry: AbortSignal, last?: AbortSignal): Promise<void>;
}

async function stopAll(started: readonly Started[], program: string, hurry?: AbortSignal, last?: AbortSignal): Promise<void> {
  for (const { name, running } of started.toReversed()) {
    log.debug('| {program}: Stopping {name}...', { program, name });
    try {
      const stopping = running[Symbol.asyncDispose]();
      const limit = running.isAwaited === true ? last : hurry;
      await (limit === undefined ? stopping : orLeft(stopping, limit));
    } catch (error) {
      if (error === LEFT) {
        log.warning('{name} did not stop in time, and is left to itself; its broker or store does not answer, or an observer.', {
          name,
        });
        continue;
      }
      // One part that cannot stop must not keep the others open.
      log.error('Error on stopping {name}: {error}', { name, error });
    }
  }
}

/** One part that cannot drain, or does not end it, must not keep the others from it. */
async function drainAll(started: readonly Started[], program: string, limit: AbortSignal): Promise<void> {
  for (const { name, running } of started.toReversed()) {
    try {
      const draining = running.drain?.(limit);
      if (draining === undefined) continue;
      await (running.isDrainAwaited === true ? draining : orLeft(draining, limit));
    } catch (error) {
      if (error === LEFT) log.warning('{name} did not drain in time, and is left to itself.', { name });
      else if (limit.aborted) log.debug('| {program}: Draining {name} ended early.', { program, name });
      else log.error('Error on draining {name}: {error}', { name, error });
    }
  }
}

/** The start of one step. One that never ends must not keep a worker from stopping: it is left behind, and stopped should it start after all. */
async function begun<Host>(step: Bootstep<Host>, host: Host, signal: AbortSignal): Promise<Running | undefined> {
  const starting = Promise.resolve(step.start(host, signal));
  const left = new AbortController();
  let timer: Timer | undefined;
  const hurry = (): void => {
    timer = after(START_GRACE, () => left.abort(signal.reason), { ref: true });
  };
  if (signal.aborted) hurry();
  else signal.addEventListener('abort', hurry, { once: true });
  try {
    return (await orAborted(starting, left.signal)) ?? undefined;
  } catch (error) {
    if (left.signal.aborted) {
      log.warning('{name} did not end its start, and is left to itself.', { name: step.name });
      starting
        .then((late) => late?.[Symbol.asyncDispose]())
        .catch((cause: unknown) => log.debug('A start ended late: {error}', { error: String(cause) }));
    }
    throw error;
  } finally {
    signal.removeEventListener('abort', hurry);
    timer?.cancel();
  }
}

const LEFT = new Error('left behind');

/** Throws LEFT when there is no time any more. What can stop without waiting for anybody has a turn of the loop for it. */
async function orLeft(stopping: PromiseLike<void>, hurry: AbortSignal): Promise<void> {
  const done = Promise.resolve(stopping);
  done.catch((error: unknown) => log.debug('Stopping ended late: {error}', { error: String(error) }));
  if (hurry.aborted) return await Promise.race([done, turn()]);
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(LEFT);
  hurry.addEventListener('abort', leave, { once: true });
  try {
    await Promise.race([done, left.promise]);
  } finally {
    hurry.removeEventListener('abort', leave);
  }
}

async function turn(): Promise<never> {
  await new Promise((resolve) => setImmediate(resolve));
  throw LEFT;
}

/** Orders the steps and starts those that are enabled. When one fails, those before it are stopped and its error is thrown. */
export function startSteps<Host>(steps: readonly Bootstep<Host>[], host: Host, signal: AbortSignal): Promise<Blueprint> {
  return startOrdered(orderSteps(steps), host, signal);
}

/** Starts the enabled steps one after the other as they stand. `program` names the blueprint in the log. */
export async function startOrdered<Host>(
  steps: readonly Bootstep<Host>[],
  host: Host,
  signal: AbortSignal,
  program: string = 'Worker',
): Promise<Blueprint> {
  const names: string[] = [];
  const started: Started[] = [];
  const ordered = steps.filter((step) => step.enabled?.(host) ?? true);
  log.debug('| {program}: New boot order: {{{names}}}', { program, names: ordered.map((step) => step.name).join(', ') });
  for (const step of ordered) {
    try {
      signal.throwIfAborted();
      log.debug('| {program}: Starting {name}', { program, name: step.name });
      const running = await begun(step, host, signal);
      names.push(step.name);
      if (running) started.push({ name: step.name, running });
    } catch (error) {
      await stopAll(started, program);
      throw error;
    }
  }
  let stopping: Promise<void> | undefined;
  return {
    names,
    drain: (limit) => drainAll(started, program, limit),
    info: () => Object.assign({}, ...started.map(({ running }) => running.info?.() ?? {})) as Readonly<Record<string, unknown>>,
    stop: (hurry, last) => {
      stopping ??= stopAll(started, program, hurry, last);
      return stopping;
    },
    [Symbol.asyncDispose]: () => {
      stopping ??= stopAll(started, program);
      return stopping;
    },
  };
}
