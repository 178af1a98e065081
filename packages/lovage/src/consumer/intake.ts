// From a delivery to a request, or to the reason why there is none. Only headers are read (protocol 1 has them in its body).
// Nothing that comes from a broker may throw past this file.
import type { DeathReason, Delivery } from '../broker/index.ts';
import { parseTask, type TaskRequest } from '../protocol/index.ts';
import { attemptNumber } from '../result/index.ts';
import type { TaskDefinition } from '../task/index.ts';
import {
  BodyTooLargeError,
  ContentRefusedError,
  DecodeError,
  didYouMean,
  InvalidTaskError,
  NotRegisteredError,
  SignatureRefusedError,
} from '../util/index.ts';
import type { ResultOwner, WorkerApp } from './port.ts';

/** A message that can run here. */
export interface Usable {
  readonly request: TaskRequest;
  readonly definition: TaskDefinition;
}

/** A message that cannot. */
export interface Unusable {
  readonly reason: DeathReason;
  readonly error: Error;
  /** Known when a result can be stored for somebody who waits. */
  readonly owner: ResultOwner | undefined;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Who a broken message is about, as far as its headers say (or the body of protocol 1, which has them). */
export function ownerOf(delivery: Delivery, fields: unknown = delivery.headers): ResultOwner | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined;
  const own = (key: string): string | undefined =>
    Object.hasOwn(fields, key) ? text((fields as Record<string, unknown>)[key]) : undefined;
  const id = own('id');
  if (id === undefined) return undefined;
  const { replyTo, correlationId } = delivery.properties;
  return { id, name: own('task'), request: undefined, replyTo, correlationId, attempt: attemptNumber(0, delivery.attempts) };
}

/** Who a request's result is about. */
export function ownerOfRequest(request: TaskRequest): ResultOwner {
  const { id, task, replyTo, correlationId, retries, attempts, replacedTaskNesting } = request;
  return { id, name: task, request, replyTo, correlationId, attempt: attemptNumber(retries, attempts, replacedTaskNesting) };
}

/** Why a message that made this error cannot be used; undefined when the message is not to blame. */
export function unusableReason(error: unknown): DeathReason | undefined {
  if (error instanceof ContentRefusedError) return 'refused-content';
  if (error instanceof SignatureRefusedError) return 'refused-signature';
  if (error instanceof BodyTooLargeError) return 'too-large';
  if (error instanceof DecodeError) return 'undecodable';
  return error instanceof InvalidTaskError ? 'malformed' : undefined;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new InvalidTaskError(String(error));
}

/** Reads a delivery. */
export function intake(
  delivery: Delivery,
  app: Pick<WorkerApp, 'find' | 'decodeBody' | 'settings' | 'taskNames' | 'guard'>,
  hostname: string,
): Usable | Unusable {
  const { byteLength } = delivery.body;
  if (byteLength > app.settings.maxBodyBytes) {
    const error = new BodyTooLargeError(
      `The body has ${byteLength} bytes; the setting maxBodyBytes allows ${app.settings.maxBodyBytes}. Send a reference to the data, or raise the setting.`,
    );
    return { reason: 'too-large', error, owner: ownerOf(delivery) };
  }
  try {
    app.guard?.check(delivery);
  } catch (error) {
    // No owner: whoever cannot sign may not end somebody else's task either.
    return { reason: unusableReason(error) ?? 'malformed', error: asError(error), owner: undefined };
  }
  let request: TaskRequest;
  let decoded: unknown;
  const decodeBody = (): unknown => {
    decoded = app.decodeBody(delivery);
    return decoded;
  };
  try {
    request = parseTask(delivery, { hostname, decodeBody, zone: app.settings.timezone ?? undefined }).request;
  } catch (error) {
    const told = ownerOf(delivery, decoded ?? null);
    // Only a body that is a task's may say so.
    const owner = ownerOf(delivery) ?? (told?.name === undefined ? undefined : told);
    return { reason: unusableReason(error) ?? 'malformed', error: asError(error), owner };
  }
  const definition = app.find(request.task);
  if (definition !== undefined) return { request, definition };
  const error = new NotRegisteredError(
    `No task is registered as '${request.task}' in this worker.${didYouMean(request.task, app.taskNames())} Import its module in the worker (setting include), or route it elsewhere.`,
    { task: request.task },
  );
  return { reason: 'unknown-task', error, owner: ownerOfRequest(request) };
}
