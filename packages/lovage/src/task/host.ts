// What all handles have in common, wherever the code of their task is: sending, and making signatures.
import type { AsyncResult } from '../result/index.ts';
import { runEagerly, sendEagerly } from './eager.ts';
import type { Signature } from './flow.ts';
import type { TaskHandle, TypedCallOptions } from './handle.ts';
import { checkCallOptions } from './option-names.ts';
import type { Call, CallOptions, TaskDefinition, TaskOptions } from './options.ts';
import type { TaskPort } from './port.ts';
import { sendCall } from './send.ts';
import { createSignature, type SignatureHost } from './signature.ts';

type Args = readonly unknown[];
const NO_KWARGS: Readonly<Record<string, unknown>> = Object.freeze({});
const NO_OPTIONS: CallOptions = Object.freeze({});

/** What sends the signatures of an app. */
export function hostOf(port: TaskPort): SignatureHost {
  return {
    environment: () => port.environment(),
    send: (call) => sendOne(port, call),
    apply: (call, options) => runEagerly(port.environment(), call, options ?? {}),
    ...(port.canvas === undefined ? {} : { canvas: port.canvas }),
  };
}

function sendOne(port: TaskPort, call: Call): Promise<AsyncResult<unknown>> {
  const environment = port.environment();
  // A task whose code is elsewhere cannot run here, so it is sent even by an app that is always eager.
  if (call.definition !== undefined && environment.settings.alwaysEager) return sendEagerly(environment, call);
  return sendCall(environment, call);
}

/** The erased handle of a task. */
export function createHandle(
  host: SignatureHost,
  name: string,
  options: Readonly<TaskOptions>,
  definition: TaskDefinition | undefined,
  /** Options of every call; those of a task with a definition are the publisher's business. */
  defaults: CallOptions = NO_OPTIONS,
): TaskHandle<Args, unknown> {
  const make = (all: Args, given: TypedCallOptions<unknown> | undefined): Call => {
    const args = all.at(-1) === undefined ? withoutTail(all) : all;
    if (given === undefined) return callOf(args, NO_KWARGS, defaults);
    const { kwargs = NO_KWARGS, ...rest } = given;
    checkCallOptions(name, rest);
    return callOf(args, kwargs, defaults === NO_OPTIONS ? rest : { ...defaults, ...rest });
  };
  const callOf = (args: Args, kwargs: Call['kwargs'], chosen: CallOptions): Call =>
    definition === undefined
      ? { task: name, args, kwargs, options: chosen }
      : { task: name, args, kwargs, options: chosen, definition };
  // Not async: each call is one promise less. A call that cannot be sent rejects all the same.
  const send = (args: Args, given: TypedCallOptions<unknown> | undefined): Promise<AsyncResult<unknown>> => {
    try {
      return host.send(make(args, given));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  };
  const sign = <Kind>(args: Args, immutable: boolean, given?: TypedCallOptions<unknown>): Kind => {
    const { kwargs, options: stored } = make(args, given);
    return createSignature<Kind>({ task: name, args, kwargs, options: stored, immutable }, host);
  };
  return {
    name,
    options,
    delay: (...args: Args) => send(args, undefined),
    applyAsync: (args: Args, given?: TypedCallOptions<unknown>) => send(args, given),
    s: (...args: Args) => sign<never>(args, false),
    si: (...args: Args) => sign(args, true),
    signature: (args: Args, given?: TypedCallOptions<unknown>) => sign<Signature<Args, unknown>>(args, false, given),
    result: (taskId: string) => host.environment().results.result(taskId),
  };
}

/** Optional arguments that were given as `undefined` are not sent: the wire has no word for them. */
function withoutTail(args: Args): Args {
  return args.slice(0, args.findLastIndex((value) => value !== undefined) + 1);
}
