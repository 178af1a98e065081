// The whole error tree of Lovage, one rooted class each with a stable `code` (docs/errors.md lists them all).
// `transient` says whether trying the same thing again can help; retry policies look at it, never at the class.

export interface LovageErrorOptions {
  readonly cause?: unknown;
  readonly transient?: boolean;
}

/** The root of every error that Lovage throws. */
export class LovageError extends Error {
  readonly code: string;
  readonly transient: boolean;
  constructor(code: string, message: string, options: LovageErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.transient = options.transient ?? false;
  }
}

/** A setting, an option or a URL is wrong; the message names it and says what to do. */
export class ConfigurationError extends LovageError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super('LOVAGE_CONFIGURATION', message, options);
  }
}

/** Something went wrong between Lovage and its broker. */
export class BrokerError extends LovageError {
  constructor(message: string, options: LovageErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'LOVAGE_BROKER', message, options);
  }
}

/** The line to the broker could not be opened, or was lost. */
export class BrokerConnectionError extends BrokerError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { transient: true, ...options, code: 'LOVAGE_BROKER_CONNECTION' });
  }
}

/** One message that a publish did not get confirmed. */
export interface PublishFailure {
  /** Position in the published batch. */
  readonly index: number;
  /**
   * `no`: the broker does not have it, sending again cannot double it.
   * `unknown`: it may have been stored; sending again under the same task id is safe for a deduplicating receiver.
   */
  readonly stored: 'no' | 'unknown';
  readonly cause: unknown;
}

/** A publish was not confirmed; `failures` says which messages, and `safeToRepeat` whether none of them can be doubled. */
export class PublishError extends BrokerError {
  readonly failures: readonly PublishFailure[];
  readonly safeToRepeat: boolean;
  constructor(message: string, failures: readonly PublishFailure[], options: LovageErrorOptions = {}) {
    super(message, { transient: true, ...options, code: 'LOVAGE_PUBLISH' });
    this.failures = failures;
    this.safeToRepeat = failures.every((failure) => failure.stored === 'no');
  }
}

/** A queue does not exist, or a message found no queue. */
export class QueueNotFoundError extends BrokerError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_QUEUE_NOT_FOUND' });
  }
}

/** A queue or exchange exists with other arguments (RabbitMQ's 406). */
export class TopologyMismatchError extends BrokerError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_TOPOLOGY_MISMATCH' });
  }
}

/** The broker has no room (disk full, memory limit). */
export class BrokerFullError extends BrokerError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { transient: true, ...options, code: 'LOVAGE_BROKER_FULL' });
  }
}

/** A body or a value cannot be written or read. */
export class ContentError extends LovageError {}

/** A value cannot be written by the chosen serializer. */
export class EncodeError extends ContentError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super('LOVAGE_ENCODE', message, options);
  }
}

/** A body cannot be read: broken text, wrong compression, too large. */
export class DecodeError extends ContentError {
  constructor(message: string, options: LovageErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'LOVAGE_DECODE', message, options);
  }
}

/** A body is larger than the limit, as it came or when decompressed. */
export class BodyTooLargeError extends DecodeError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_BODY_TOO_LARGE' });
  }
}

/** A body's content type is not in the accept list. */
export class ContentRefusedError extends ContentError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super('LOVAGE_CONTENT_REFUSED', message, options);
  }
}

/** A signature is missing, wrong, of somebody unknown, too old, or was seen before. */
export class SignatureRefusedError extends ContentError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super('LOVAGE_SIGNATURE_REFUSED', message, options);
  }
}

/** Something is wrong with a task, or with a call of one. */
export class TaskError extends LovageError {
  constructor(message: string, options: LovageErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'LOVAGE_TASK', message, options);
  }
}

/** No task of that name is registered here. */
export class NotRegisteredError extends TaskError {
  /** The name that nobody registered: all that Python's error of this kind says. */
  readonly task: string | undefined;

  constructor(message: string, options: LovageErrorOptions & { readonly task?: string } = {}) {
    super(message, { ...options, code: 'LOVAGE_NOT_REGISTERED' });
    this.task = options.task;
  }
}

/** A second task of one name was declared. */
export class AlreadyRegisteredError extends TaskError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_ALREADY_REGISTERED' });
  }
}

/** A message claims to be a task but is malformed. */
export class InvalidTaskError extends TaskError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_INVALID_TASK' });
  }
}

/** The arguments of a call do not fit the task. */
export class ArgumentsError extends TaskError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_ARGUMENTS' });
  }
}

/** The task must not run, or no longer: the reason of the signal of one that is terminated. */
export class TaskRevokedError extends TaskError {
  /** With which signal it was terminated: at once with SIGKILL, else the task is asked first. */
  readonly signal: string | undefined;

  constructor(message: string, options: LovageErrorOptions & { readonly signal?: string } = {}) {
    super(message, { ...options, code: 'LOVAGE_TASK_REVOKED' });
    this.signal = options.signal;
  }
}

export class TimeLimitExceededError extends TaskError {
  /** The limit in seconds, when it is known: all that Python's error of this kind says. */
  readonly seconds: number | undefined;

  constructor(message: string, options: LovageErrorOptions & { readonly seconds?: number } = {}) {
    super(message, { ...options, code: 'LOVAGE_TIME_LIMIT' });
    this.seconds = options.seconds;
  }
}

export class SoftTimeLimitExceededError extends TaskError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_SOFT_TIME_LIMIT' });
  }
}

export class WorkerLostError extends TaskError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_WORKER_LOST' });
  }
}

export class MaxRetriesExceededError extends TaskError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_MAX_RETRIES' });
  }
}

/** Why a worker that stops takes its tasks back: the reason of their aborted signals. */
export class ShutdownError extends LovageError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super('LOVAGE_SHUTDOWN', message, { transient: true, ...options });
  }
}

/** Something is wrong with a result, or with reading one. */
export class ResultError extends LovageError {
  constructor(message: string, options: LovageErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'LOVAGE_RESULT', message, options);
  }
}

/** The result did not arrive in the time given; the task is not touched. */
export class ResultTimeoutError extends ResultError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { transient: true, ...options, code: 'LOVAGE_RESULT_TIMEOUT' });
  }
}

/** A walk over results came to one that is not ready, so that what it sends is not known yet. */
export class IncompleteStreamError extends ResultError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_INCOMPLETE_STREAM' });
  }
}

/** A running task waits for the result of another, which would hold its slot. */
export class JoinInTaskError extends ResultError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_JOIN_IN_TASK' });
  }
}

/** The result store could not be reached, or refused. */
export class BackendError extends ResultError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { transient: true, ...options, code: 'LOVAGE_BACKEND' });
  }
}

/** No result backend is configured. */
export class BackendDisabledError extends ResultError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_BACKEND_DISABLED' });
  }
}

export class ChordError extends ResultError {
  constructor(message: string, options: LovageErrorOptions = {}) {
    super(message, { ...options, code: 'LOVAGE_CHORD' });
  }
}

/** A failure that happened in another process, as its worker wrote it; `name` is the type it had there. */
export class RemoteTaskError extends ResultError {
  readonly excType: string;
  readonly excModule: string | undefined;
  readonly excMessage: readonly unknown[];
  readonly remoteTraceback: string | undefined;
  constructor(fields: {
    readonly excType: string;
    readonly excModule: string | undefined;
    readonly excMessage: readonly unknown[];
    readonly traceback: string | undefined;
  }) {
    super(fields.excMessage.map((part) => (typeof part === 'string' ? part : String(part))).join(', '), {
      code: 'LOVAGE_REMOTE_TASK',
    });
    this.name = fields.excType;
    this.excType = fields.excType;
    this.excModule = fields.excModule;
    this.excMessage = fields.excMessage;
    this.remoteTraceback = fields.traceback;
  }
}
