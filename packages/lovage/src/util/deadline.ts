// Deadlines and cancelling: an AbortSignal is the only way to stop a wait, and its reason is one of our errors.

/** Node fires a longer timer at once (after 1 ms), so longer waits are cut into pieces of this many milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface Timer {
  cancel(): void;
}

/** Calls back once after `seconds`, however many; the timer does not keep the process alive unless `ref`. */
export function after(seconds: number, callback: () => void, options: { readonly ref?: boolean } = {}): Timer {
  let left = Math.max(0, seconds * 1000);
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const part = Math.min(left, MAX_TIMER_MS);
    left -= part;
    handle = setTimeout(left > 0 ? arm : callback, part);
    if (options.ref !== true) handle.unref();
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

/** A signal that aborts with `reason()` after `seconds`, or as `parent` does. Dispose it when the work is done. */
export function deadline(
  seconds: number | undefined,
  reason: () => Error,
  parent?: AbortSignal,
  options: { readonly ref?: boolean } = {},
): { readonly signal: AbortSignal } & Disposable {
  return new Deadline(seconds, reason, parent, options);
}

/** A class: V8 makes an object literal with a computed name, here that of its disposer, ten times as slowly, and each publish has one. */
class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: Timer | undefined;
  readonly #parent: AbortSignal | undefined;
  readonly #follow: () => void;

  constructor(
    seconds: number | undefined,
    reason: () => Error,
    parent: AbortSignal | undefined,
    options: { readonly ref?: boolean },
  ) {
    const controller = this.#controller;
    this.#parent = parent;
    this.#timer = seconds === undefined ? undefined : after(seconds, () => controller.abort(reason()), options);
    this.#follow = (): void => controller.abort(parent?.reason);
    if (parent?.aborted) this.#follow();
    else parent?.addEventListener('abort', this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#parent?.removeEventListener('abort', this.#follow);
  }
}

/** Settles as `promise` does, or rejects with the signal's reason if that comes first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    // Not Promise.race: this runs for every publish, and a race costs three promises more.
    const stop = (): void => {
      signal.removeEventListener('abort', stop);
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
    promise.then(
      (value) => {
        signal.removeEventListener('abort', stop);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', stop);
        reject(error as Error);
      },
    );
  });
}

/** Waits `seconds`, or rejects with the signal's reason. */
export async function sleep(seconds: number, signal?: AbortSignal, options: { readonly ref?: boolean } = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = after(seconds, resolve, { ref: options.ref ?? true });
  try {
    await orAborted(promise, signal);
  } finally {
    timer.cancel();
  }
}
