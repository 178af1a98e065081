// Errors that a task leaves behind: a promise that nobody waited for, a throw in a timer. Node would end the process for one, and with it
// every other task that runs here; the worker names the task and goes on. Only programs call this. In slots of their own (prefork, threads)
// such an error ends the slot, which is what slots are for.
import { currentTask } from '../task/index.ts';
import { logger } from '../util/index.ts';

const log = logger('worker');

type Stray = 'unhandledRejection' | 'uncaughtException';

const WORDS: Readonly<Record<Stray, string>> = {
  unhandledRejection: 'a promise that failed and that nobody waited for',
  uncaughtException: 'an error that nobody caught',
};

/** The part of `process` that is used. */
export interface StraySource {
  on(event: Stray, listener: (error: unknown) => void): unknown;
  off(event: Stray, listener: (error: unknown) => void): unknown;
}

/** Keeps the process alive until disposed. */
export function catchStrays(source: StraySource = process): Disposable {
  const listeners = (['unhandledRejection', 'uncaughtException'] as const).map((event) => {
    const listener = (error: unknown): void => tell(WORDS[event], error);
    source.on(event, listener);
    return () => source.off(event, listener);
  });
  return {
    [Symbol.dispose]: () => {
      for (const remove of listeners) remove();
    },
  };
}

function tell(what: string, error: unknown): void {
  const task = currentTask();
  if (task === undefined) log.error('There is {what}, and no task that it belongs to: {error}', { what, error });
  else
    log.error(
      'Task {name}[{id}] left {what}: {error}. It would have ended the worker; the state of the task is not changed by it.',
      {
        name: task.name,
        id: task.request.id,
        what,
        error,
      },
    );
}
