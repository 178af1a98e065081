// The consumer's port for events about tasks, over a dispatcher: Celery's names and texts.
import { constants } from 'node:os';
import type { EventError, TaskEvents, TaskSuccess } from '../consumer/index.ts';
import type { Dispatcher, EventKind } from '../event/index.ts';
import { errorRepr, type TaskRequest } from '../protocol/index.ts';
import { quoted, redactText } from '../util/index.ts';

/** As Celery's workers tell of a task that control terminated: 15 for `SIGTERM`, and for `TERM`. */
function signalNumber(name: string | undefined): number | null {
  if (name === undefined) return null;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const upper = name.toUpperCase();
  return numbers[upper.startsWith('SIG') ? upper : `SIG${upper}`] ?? null;
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

const orNull = (text: string | undefined): string => (text === undefined ? 'null' : JSON.stringify(text));

/** The three that every task has are written by hand, and only if somebody listens (bench row redis-drain-events). */
const RECEIVED: EventKind<TaskRequest> = {
  type: 'task-received',
  fields: (request) => ({
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
  members: (request) =>
    `"uuid":${quoted(request.id)},"name":${quoted(request.shadow ?? request.task)}${optional('args', shown(request.argsRepr))}${optional('kwargs', shown(request.kwargsRepr))}${optional('root_id', request.rootId)},"parent_id":${orNull(request.parentId)},"retries":${request.retries},"eta":${orNull(request.eta)},"expires":${orNull(request.expires)}`,
};

const STARTED: EventKind<string> = {
  type: 'task-started',
  fields: (uuid) => ({ uuid }),
  members: (uuid) => `"uuid":${quoted(uuid)}`,
};

const SUCCEEDED: EventKind<TaskSuccess> = {
  type: 'task-succeeded',
  fields: ({ id: uuid, result, runtime }) => ({ uuid, result: redactText(result), runtime }),
  members: ({ id, result, runtime }) => `"uuid":${quoted(id)},"result":${quoted(redactText(result))},"runtime":${runtime}`,
};

function optional(name: string, text: string | undefined): string {
  return text === undefined ? '' : `,"${name}":${JSON.stringify(text)}`;
}

/** Tells a dispatcher. Nothing is made before somebody looked at `wanted`. */
export function taskEvents(dispatcher: Dispatcher): TaskEvents {
  return {
    get wanted() {
      return dispatcher.passes('task');
    },
    received: (request) => dispatcher.sendLater(RECEIVED, request),
    started: ({ id }) => dispatcher.sendLater(STARTED, id),
    succeeded: (success) => dispatcher.sendLater(SUCCEEDED, success),
    failed: (uuid, error) => dispatcher.send('task-failed', failure(uuid, error)),
    retried: (uuid, error) => dispatcher.send('task-retried', failure(uuid, error)),
    revoked: (uuid, { terminated, expired, signal }) =>
      dispatcher.send('task-revoked', { uuid, terminated, signum: signalNumber(signal), expired }),
    rejected: (uuid, requeue) => dispatcher.send('task-rejected', { uuid, requeue }),
    cancelled: (uuid) => dispatcher.send('task-cancelled', { uuid }),
  };
}
