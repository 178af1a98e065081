// What events say of the way of a message: flow, admission and ends call these at its turns. Whoever calls has looked whether events are
// wanted at all.
import type { Outcome } from '../task/index.ts';
import { logger } from '../util/index.ts';
import type { EventError, TaskEvents, WorkerApp } from './port.ts';
import type { Entry } from './request.ts';
import type { Answer } from './verdict.ts';

const log = logger('consumer');

/** Where events about this entry go; undefined when nobody wants them. */
export function eventsOf({ policy }: Pick<Entry, 'policy'>, { events }: Pick<WorkerApp, 'events'>): TaskEvents | undefined {
  return events?.wanted === true && policy.sendEvents ? events : undefined;
}

/** Tells; an event is never a reason for a task to fail. */
export function tell(events: TaskEvents | undefined, say: (events: TaskEvents) => void): void {
  if (events === undefined) return;
  try {
    say(events);
  } catch (error) {
    log.error('An event could not be sent: {error}', { error });
  }
}

/** The one event that ends a run, once everything of it is written. A task that was ignored has none, nor has one whose lost slot starts it anew. */
export function tellEnd(
  events: TaskEvents,
  entry: Entry,
  outcome: Outcome,
  { answer, lost }: { readonly answer: Answer; readonly lost: boolean },
): void {
  const { id } = entry.request;
  const error: EventError = outcome.error ?? { type: 'WorkerLostError', message: outcome.repr, traceback: undefined };
  if (lost) events.failed(id, { ...error, type: 'WorkerLostError' });
  else if (answer.verdict === 'requeue' && entry.interrupted) events.cancelled(id);
  else if (outcome.state === 'SUCCESS') events.succeeded({ id, result: outcome.repr, runtime: outcome.runtime });
  else if (outcome.state === 'FAILURE') events.failed(id, error);
  else if (outcome.state === 'RETRY') events.retried(id, error);
  else if (outcome.state === 'REJECTED') events.rejected(id, outcome.requeue === true);
  else if (outcome.state === 'REVOKED') events.revoked(id, { terminated: true, expired: false, signal: undefined });
}
