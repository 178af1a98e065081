// The consumer's port for events about tasks, over a dispatcher: Celery's names and texts.
import { constants } from 'node:os';
import type { EventError, TaskEvents } from '../consumer/index.ts';
import type { Dispatcher } from '../event/index.ts';
import { errorRepr, type TaskRequest } from '../protocol/index.ts';
import { redactText } from '../util/index.ts';

function signalNumber(name: string | undefined): number | null {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return name === undefined ? null : (numbers[name] ?? null);
}

/** Monitors are read by more people than results. */
const shown = (text: string | undefined): string | undefined => (text === undefined ? undefined : redactText(text));

function failure(uuid: string, { type, message, traceback }: EventError): Readonly<Record<string, unknown>> {
  return {
    uuid,
    exception: redactText(errorRepr(type, message)),
    traceback: traceback === undefined ? null : redactText(traceback),
  };
}

/** Tells a dispatcher. Nothing is made before somebody looked at `wanted`. */
export function taskEvents(dispatcher: Dispatcher): TaskEvents {
  return {
    get wanted() {
      return dispatcher.passes('task');
    },
    received: (request: TaskRequest) =>
      dispatcher.send('task-received', {
        uuid: request.id,
        name: request.shadow ?? request.task,
        args: shown(request.argsRepr),
        kwargs: shown(request.kwargsRepr),
        rootId: request.rootId,
        parentId: request.parentId ?? null,
        retries: request.retries,
        eta: request.eta ?? null,
        expires: request.expires ?? null,
      }),
    started: ({ id }) => dispatcher.send('task-started', { uuid: id }),
    succeeded: (uuid, { result, runtime }) => dispatcher.send('task-succeeded', { uuid, result: redactText(result), runtime }),
    failed: (uuid, error) => dispatcher.send('task-failed', failure(uuid, error)),
    retried: (uuid, error) => dispatcher.send('task-retried', failure(uuid, error)),
    revoked: (uuid, { terminated, expired, signal }) =>
      dispatcher.send('task-revoked', { uuid, terminated, signum: signalNumber(signal), expired }),
    rejected: (uuid, requeue) => dispatcher.send('task-rejected', { uuid, requeue }),
    cancelled: (uuid) => dispatcher.send('task-cancelled', { uuid }),
  };
}
