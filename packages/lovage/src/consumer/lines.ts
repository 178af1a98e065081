// The lines that a Celery user looks for in a worker's log, one function for each. The sink in the worker room formats them.
import type { Delivery } from '../broker/index.ts';
import type { TaskRequest } from '../protocol/index.ts';
import type { Outcome } from '../task/index.ts';
import { logger } from '../util/index.ts';
import type { Unusable } from './intake.ts';

const log = logger('worker', 'task');

function task(request: TaskRequest): { readonly name: string; readonly id: string } {
  return { name: request.shadow ?? request.task, id: request.id };
}

/** A message was let in. */
export function logReceived(request: TaskRequest): void {
  if (!log.isEnabledFor('info')) return;
  log.info('Task {name}[{id}] received', () => ({
    ...task(request),
    args: request.argsRepr,
    kwargs: request.kwargsRepr,
    eta: request.eta,
  }));
}

/** A task is not run because somebody revoked it, or because it is too late. */
export function logDiscarded(request: TaskRequest, reason: 'revoked' | 'expired'): void {
  log.info('Discarding {reason} task: {name}[{id}]', { ...task(request), reason });
}

type Level = 'info' | 'warning' | 'error';

/** Level and text of an outcome's line. */
function lineOf({ state, error }: Outcome): readonly [Level, string] {
  switch (state) {
    case 'SUCCESS':
      return ['info', 'Task {name}[{id}] succeeded in {runtime}s: {repr}'];
    case 'RETRY':
      return ['info', 'Task {name}[{id}] retry: {repr}'];
    case 'IGNORED':
      return ['info', 'Task {name}[{id}] ignored'];
    case 'REJECTED':
      return ['warning', 'Task {name}[{id}] reject requeue={requeue}: {repr}'];
    case 'REVOKED':
      return ['info', 'Discarding revoked task: {name}[{id}]'];
    case 'LOST':
      return ['error', 'Task {name}[{id}] was lost: {repr}'];
    default:
      return error?.expected === true
        ? ['info', 'Task {name}[{id}] raised expected: {repr}']
        : ['error', 'Task {name}[{id}] raised unexpected: {repr}{traceback}'];
  }
}

/** How a task ended. */
export function logOutcome(request: TaskRequest, outcome: Outcome): void {
  const [level, line] = lineOf(outcome);
  if (!log.isEnabledFor(level)) return;
  const trace = outcome.error?.traceback;
  log[level](line, {
    ...task(request),
    runtime: Number(outcome.runtime.toFixed(6)),
    repr: outcome.repr,
    requeue: outcome.requeue === true,
    traceback: trace === undefined ? '' : `\n${trace}`,
  });
}

/** A message cannot be used. Says what and why, never its content: that may be secret. */
export function logUnusable(delivery: Delivery, { reason, error, owner }: Unusable): void {
  log.error(
    'Message from queue {queue} cannot be used ({reason}): task {name}, id {id}, {bytes} bytes of {contentType}. {error}',
    {
      queue: delivery.queue,
      reason,
      name: owner?.name ?? 'unknown',
      id: owner?.id ?? 'unknown',
      bytes: delivery.body.byteLength,
      contentType: delivery.properties.contentType,
      error: error.message,
    },
  );
}
