// Which TypeScript class is which Python exception, in both directions.
import {
  AlreadyRegisteredError,
  ArgumentsError,
  BackendError,
  ChordError,
  ConfigurationError,
  ContentRefusedError,
  DecodeError,
  EncodeError,
  InvalidTaskError,
  MaxRetriesExceededError,
  NotRegisteredError,
  ResultTimeoutError,
  SoftTimeLimitExceededError,
  TaskRevokedError,
  TimeLimitExceededError,
  WorkerLostError,
} from '../util/index.ts';

type AnyError = abstract new (...args: never[]) => Error;

/** One pair of classes. */
export interface ErrorTwin<T extends Error = Error> {
  readonly class: abstract new (...args: never[]) => T;
  /** Python's module: `proj.errors`. */
  readonly module: string;
  /** Python's class; dotted when it lies in another: `Outer.InnerError`. */
  readonly type: string;
  /** What Python's constructor gets. @default the message */
  toArgs?(error: T): readonly unknown[];
  /** The error for what Python's constructor got. Absent: Python's exception does not become this class, but a RemoteTaskError. */
  fromArgs?(args: readonly unknown[]): T;
}

/** The pairs of one app: what Lovage knows, and what the app registered. */
export interface ErrorRegistry {
  /** Later pairs win over earlier ones of the same names. */
  register<T extends Error>(twin: ErrorTwin<T>): void;
  /** The pair of an error's class, or of the nearest class above it. */
  twinOf(error: Error): ErrorTwin | undefined;
  /** An error of the class registered under these names. */
  create(module: string | undefined, type: string, args: readonly unknown[]): Error | undefined;
}

const firstText = (args: readonly unknown[]): string => args.map(String).join(', ');

/** Both ways, with the message alone. */
function both<T extends Error>(type: new (message: string) => T, module: string, name: string): ErrorTwin<T> {
  return { class: type, module, type: name, fromArgs: (args) => new type(firstText(args)) };
}

/** To Python only: another class is the twin on the way back. */
function toPython(type: AnyError, module: string, name: string): ErrorTwin {
  return { class: type, module, type: name };
}

const CELERY = 'celery.exceptions';
const BILLIARD = 'billiard.exceptions';
const KOMBU = 'kombu.exceptions';
const BUILTINS = 'builtins';

/** Python's has the limit in seconds where others have a message. */
const TIME_LIMIT: ErrorTwin<TimeLimitExceededError> = {
  class: TimeLimitExceededError,
  module: BILLIARD,
  type: 'TimeLimitExceeded',
  toArgs: ({ seconds, message }) => [seconds ?? message],
  fromArgs: (args) => {
    const [seconds] = args;
    if (typeof seconds !== 'number') return new TimeLimitExceededError(firstText(args));
    return new TimeLimitExceededError(`The task ran longer than its time limit of ${seconds} s.`, { seconds });
  },
};

const KNOWN: readonly ErrorTwin[] = [
  both(Error, BUILTINS, 'Exception'),
  both(TypeError, BUILTINS, 'TypeError'),
  both(SyntaxError, BUILTINS, 'SyntaxError'),
  both(RangeError, BUILTINS, 'ValueError'),
  toPython(URIError, BUILTINS, 'ValueError'),
  both(ReferenceError, BUILTINS, 'NameError'),
  toPython(ArgumentsError, BUILTINS, 'TypeError'),
  both(TaskRevokedError, CELERY, 'TaskRevokedError'),
  both(MaxRetriesExceededError, CELERY, 'MaxRetriesExceededError'),
  both(NotRegisteredError, CELERY, 'NotRegistered'),
  both(AlreadyRegisteredError, CELERY, 'AlreadyRegistered'),
  both(InvalidTaskError, CELERY, 'InvalidTaskError'),
  both(ChordError, CELERY, 'ChordError'),
  both(ConfigurationError, CELERY, 'ImproperlyConfigured'),
  both(ResultTimeoutError, CELERY, 'TimeoutError'),
  both(BackendError, CELERY, 'BackendError'),
  both(SoftTimeLimitExceededError, BILLIARD, 'SoftTimeLimitExceeded'),
  TIME_LIMIT,
  both(WorkerLostError, BILLIARD, 'WorkerLostError'),
  both(EncodeError, KOMBU, 'EncodeError'),
  both(DecodeError, KOMBU, 'DecodeError'),
  both(ContentRefusedError, KOMBU, 'ContentDisallowed'),
];

const nameKey = (module: string | undefined, type: string): string => `${module ?? ''}:${type}`;

/** Is the class itself known, not one above it? A user's subclass keeps its own name. */
function isExactly(error: Error, twin: ErrorTwin): boolean {
  return Object.getPrototypeOf(error) === (twin.class as { prototype: unknown }).prototype;
}

/** A registry that knows Python's twins of JavaScript's and Lovage's errors. */
export function createErrorRegistry(): ErrorRegistry {
  const builtIn = new Map<unknown, ErrorTwin>(KNOWN.map((twin) => [twin.class, twin]));
  const registered = new Map<unknown, ErrorTwin>();
  const byName = new Map<string, ErrorTwin>(
    KNOWN.filter((twin) => twin.fromArgs).map((twin) => [nameKey(twin.module, twin.type), twin]),
  );
  return {
    register(twin) {
      const erased = twin as unknown as ErrorTwin;
      registered.set(erased.class, erased);
      if (erased.fromArgs !== undefined) byName.set(nameKey(erased.module, erased.type), erased);
    },
    twinOf(error) {
      for (let type: unknown = error.constructor; typeof type === 'function'; type = Object.getPrototypeOf(type)) {
        const twin = registered.get(type);
        if (twin !== undefined) return twin;
      }
      const twin = builtIn.get(error.constructor);
      return twin !== undefined && isExactly(error, twin) && hasOwnName(error, twin) ? twin : undefined;
    },
    create: (module, type, args) => byName.get(nameKey(module, type))?.fromArgs?.(args),
  };
}

/** Not so when somebody gave a plain Error a name of its own (`error.name = 'AbortError'`): the name says more than the class. */
function hasOwnName(error: Error, twin: ErrorTwin): boolean {
  return error.name === (twin.class as { name: string }).name;
}
