// Errors across languages: `{exc_type, exc_message, exc_module}`. Only classes of the registry are ever constructed; a name from the
// wire is looked up there and nowhere else.
import { RemoteTaskError } from '../util/index.ts';
import type { ErrorRegistry } from './error-registry.ts';
import { isRecord, own } from './record.ts';
import { saferepr } from './saferepr.ts';

/** An exception as Celery writes it. */
export interface WireException {
  readonly exc_type: string;
  readonly exc_message: readonly unknown[];
  readonly exc_module: string | null;
}

/** Where errors without a twin say they come from: no Python module of that name exists, so Python makes a class of the type's name. */
export const OWN_MODULE = 'lovage.errors';

/** An exception of Python's, by name. */
export function wireException(module: string, type: string, ...args: readonly unknown[]): WireException {
  return { exc_type: type, exc_message: args, exc_module: module };
}

/** What a REVOKED record says. */
export function revokedException(reason: 'revoked' | 'expired' | 'terminated'): WireException {
  return wireException('celery.exceptions', 'TaskRevokedError', reason);
}

/** What a FAILURE record of an unknown task says. */
export function notRegisteredException(task: string): WireException {
  return wireException('celery.exceptions', 'NotRegistered', task);
}

/** Was this written for a task that rejected its message? */
export function isRejection(wire: unknown): boolean {
  return isRecord(wire) && own(wire, 'exc_type') === 'Reject' && own(wire, 'exc_module') === 'celery.exceptions';
}

/** A class may be called `Error` by its prototype and something better by itself. */
function typeName(error: Error): string {
  const { name } = error.constructor;
  const own = typeof error.name === 'string' && error.name !== '' ? error.name : 'Error';
  return own === 'Error' && name !== '' ? name : own;
}

function safely<T>(make: () => T, otherwise: T): T {
  try {
    return make();
  } catch {
    return otherwise;
  }
}

function partsOf(error: unknown, registry: ErrorRegistry): WireException {
  if (!(error instanceof Error)) return wireException(OWN_MODULE, 'Error', error);
  if (error instanceof RemoteTaskError)
    return { exc_type: error.excType, exc_message: error.excMessage, exc_module: error.excModule ?? null };
  const twin = registry.twinOf(error);
  if (twin === undefined) return wireException(OWN_MODULE, typeName(error), error.message);
  return wireException(twin.module, twin.type, ...(twin.toArgs?.(error) ?? [error.message]));
}

/**
 * An error on its way to the wire; things thrown that are no errors, too. Arguments that `encodable` refuses are replaced by their
 * text, as Celery does. Never throws.
 */
export function writeException(error: unknown, encodable: (value: unknown) => boolean, registry: ErrorRegistry): WireException {
  const wire = safely(() => partsOf(error, registry), wireException(OWN_MODULE, 'Error', saferepr(error, { maxLength: 1024 })));
  const message = wire.exc_message.map((part) =>
    part !== undefined && safely(() => encodable(part), false) ? part : saferepr(part, { maxLength: 1024 }),
  );
  return { ...wire, exc_message: message };
}

function messageOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return value === undefined || value === null ? [] : [value];
}

/** The error that a result record holds: of the registered class, else a RemoteTaskError. Never throws, whatever the record says. */
export function readException(wire: unknown, registry: ErrorRegistry, traceback?: string): Error {
  const record = isRecord(wire) ? wire : { exc_message: wire };
  const type = own(record, 'exc_type');
  const module = own(record, 'exc_module');
  const excType = typeof type === 'string' && type !== '' ? type : 'Exception';
  const excModule = typeof module === 'string' ? module : undefined;
  const excMessage = messageOf(own(record, 'exc_message'));
  const known = safely(() => registry.create(excModule, excType, excMessage), undefined);
  if (known === undefined) return remoteError({ excType, excModule, excMessage, traceback });
  return Object.assign(known, { excType, excModule, excMessage, remoteTraceback: traceback });
}

/** Messages that are not text are shown as Python shows them. */
function remoteError(fields: {
  excType: string;
  excModule: string | undefined;
  excMessage: readonly unknown[];
  traceback: string | undefined;
}): RemoteTaskError {
  const shown = fields.excMessage.map((part) => (typeof part === 'string' ? part : saferepr(part, { maxLength: 1024 })));
  const error = new RemoteTaskError({ ...fields, excMessage: shown });
  return Object.assign(error, { excMessage: fields.excMessage });
}
