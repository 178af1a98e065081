// What a task throws to steer its own fate. None of these is a failure, so none is a LovageError and nobody's catch for errors of
// Lovage takes them by accident.
import type { Call, SignatureLike } from './options.ts';

/** The root of what steers a task. */
export class TaskSteer extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export interface RetryFields {
  /** The error that made the task try again, when there is one. */
  readonly error?: unknown;
  /** Seconds from now, or a moment. */
  readonly when: number | Date | string;
  /** The next attempt. */
  readonly call: Call;
}

/** The task runs again later, under the same id. Made by `ctx.retry()`. */
export class Retry extends TaskSteer {
  readonly error: unknown;
  readonly when: number | Date | string;
  readonly call: Call;
  constructor(fields: RetryFields) {
    super(describe(fields), fields.error === undefined ? undefined : { cause: fields.error });
    this.error = fields.error;
    this.when = fields.when;
    this.call = fields.call;
  }
}

function describe(fields: RetryFields): string {
  const { when } = fields;
  const time = typeof when === 'number' ? `in ${when}s` : `at ${when instanceof Date ? when.toISOString() : when}`;
  const error = fields.error instanceof Error ? `: ${fields.error.name}: ${fields.error.message}` : '';
  return `Retry ${time}${error}`;
}

/** The task ends without a state, handlers or callbacks; its message is acknowledged. */
export class Ignore extends TaskSteer {
  constructor(reason = 'The task asked to be ignored.') {
    super(reason);
  }
}

/** The task's message is rejected: with `requeue` it comes again, without it the task fails and its message goes to the dead letters. */
export class Reject extends TaskSteer {
  readonly reason: unknown;
  readonly requeue: boolean;
  constructor(reason: unknown = 'The task rejected its message.', options: { readonly requeue?: boolean } = {}) {
    super(reason instanceof Error ? reason.message : String(reason), reason instanceof Error ? { cause: reason } : undefined);
    this.reason = reason;
    this.requeue = options.requeue ?? false;
  }
}

/** Another signature goes on in the task's place, under its id. Made by `ctx.replace()`. */
export class Replaced extends TaskSteer {
  readonly signature: SignatureLike;
  constructor(signature: SignatureLike) {
    super('Another signature goes on in the place of this task.');
    this.signature = signature;
  }
}
