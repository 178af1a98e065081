// What the log says of runs.
import { logger, reasonOf } from '../util/index.ts';
import type { Job } from './job.ts';
import type { Run } from './plan.ts';

const log = logger('beat');

export function tellSent(runs: readonly Run[]): void {
  for (const { entry, id } of runs)
    log.info('Scheduler: Sent due task {name} ({task}), id {id}', { name: entry.name, task: entry.task, id });
}

export function tellFailed(name: string, error: Error): void {
  log.error("A run of the schedule entry '{name}' cannot be sent and is left out: {error}", { name, error: error.message });
}

export function tellAnew(name: string, lastDue: number): void {
  log.warning("The last run of the schedule entry '{name}' was due at {due}, which is still to come: it begins anew.", {
    name,
    due: new Date(lastDue).toISOString(),
  });
}

export function tellDropped(name: string, due: number, isMadeUp: boolean): void {
  log.warning("The schedule entry '{name}' missed runs, the first that is not made up for was due at {due}{rest}", {
    name,
    due: new Date(due).toISOString(),
    rest: isMadeUp ? '; the latest is sent.' : '.',
  });
}

export function tellPutOff(jobs: readonly Job[], wait: number, error: unknown): void {
  const names = jobs.slice(0, 3).map(({ place }) => place.resolved.entry.name);
  log.error('Runs of {count} entries ({names}) could not be sent, tried again in {wait} s: {error}', {
    count: jobs.length,
    names: names.join(', '),
    wait: Math.round(wait * 10) / 10,
    error: reasonOf(error),
  });
}
