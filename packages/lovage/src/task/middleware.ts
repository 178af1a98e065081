// Middleware wraps: an execution, or the making of a message. It may change what it wraps; whoever only wants to know uses signals.
import type { TaskContext } from './context.ts';
import type { Call } from './options.ts';
import type { PreparedCall } from './publisher.ts';

/** Wraps every execution or every message of one app. The first of the list is the outermost. */
export interface Middleware {
  /** For errors and listings. */
  readonly name: string;
  /** Around the body of a task; returns its value or throws. Calling `next` twice is an error. */
  execute?(context: TaskContext, next: () => Promise<unknown>): Promise<unknown>;
  /** Around turning a call into a message (also of retries, callbacks and chain steps): pass a changed call on, or change the message. Not asynchronous. */
  publish?(call: Call, next: (call: Call) => PreparedCall): PreparedCall;
}

/** The body wrapped in all that wants to wrap executions. */
export function wrapExecution(
  middleware: readonly Middleware[],
  context: TaskContext,
  body: () => Promise<unknown>,
): () => Promise<unknown> {
  return middleware.reduceRight<() => Promise<unknown>>((inner, layer) => {
    if (layer.execute === undefined) return inner;
    let called = false;
    const once = async (): Promise<unknown> => {
      if (called)
        throw new Error(
          `The middleware '${layer.name}' called next() twice for the task '${context.name}'; a body runs once per attempt.`,
        );
      called = true;
      return inner();
    };
    return async () => layer.execute?.(context, once);
  }, body);
}

/** The making of a message wrapped in all that wants to wrap it. For the producer. */
export function wrapPublish(
  middleware: readonly Middleware[],
  prepare: (call: Call) => PreparedCall,
): (call: Call) => PreparedCall {
  return middleware.reduceRight<(call: Call) => PreparedCall>((inner, layer) => {
    if (layer.publish === undefined) return inner;
    return (call) => layer.publish?.(call, inner) ?? inner(call);
  }, prepare);
}
