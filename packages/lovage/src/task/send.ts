// One way out for every call: checked, made a child of the task that runs here, and handed to the publisher (or run here, when the
// app is always eager).
import type { AsyncResult } from '../result/index.ts';
import { taskUuid } from '../util/index.ts';
import { checkArguments } from './arguments.ts';
import { type CurrentTask, currentTask, type SentChild } from './context.ts';
import type { CanvasPlan, ExecuteEnvironment } from './environment.ts';
import type { Call } from './options.ts';
import { checkInput } from './schema.ts';

/** Throws ArgumentsError when the arguments of a call do not fit its task. Tasks that are unknown here are not checked. */
export function checkCall(environment: ExecuteEnvironment, call: Call): void {
  const { definition } = call;
  if (definition === undefined) return;
  if (definition.options.typing ?? environment.settings.strictTyping) checkArguments(definition, call.args, call.kwargs);
  if (definition.options.input !== undefined && Object.keys(call.kwargs).length === 0) checkInput(definition, call.args);
}

/** The call as a child of `parent`: root, parent and, if the app wants it, priority are those of the parent unless given. */
export function inherit(call: Call, parent: CurrentTask, environment: ExecuteEnvironment): Call {
  const { request } = parent;
  const { options } = call;
  const priority = environment.settings.inheritParentPriority ? request.deliveryInfo.priority : undefined;
  return {
    ...call,
    options: {
      ...(priority === undefined ? {} : { priority }),
      ...options,
      taskId: options.taskId ?? taskUuid(),
      rootId: options.rootId ?? (request.rootId === '' ? request.id : request.rootId),
      parentId: options.parentId ?? request.id,
    },
  };
}

/** Sends one call; throws or rejects when it cannot be sent. */
export function sendCall(environment: ExecuteEnvironment, call: Call): Promise<AsyncResult<unknown>> {
  return sendCalls(environment, [call]).then(([result]) => result ?? environment.results.result(call.options.taskId ?? ''));
}

/** Sends calls and resolves to their results in order. Everything that sends tasks by hand ends here: handles, signatures, `sendTask`. */
export function sendCalls(environment: ExecuteEnvironment, calls: readonly Call[]): Promise<readonly AsyncResult<unknown>[]> {
  for (const call of calls) checkCall(environment, call);
  const parent = currentTask();
  return parent === undefined ? environment.publisher.send(calls) : sendChildren(environment, calls, parent);
}

/** Sends what a plan says: opens its chords, then one publish for all its calls. In a running task they are its children. */
export async function sendPlan(environment: ExecuteEnvironment, plan: CanvasPlan, addToParent: boolean = true): Promise<void> {
  for (const call of plan.calls) checkCall(environment, call);
  const parent = currentTask();
  if (parent === undefined) await environment.publisher.send(plan.calls, plan.openings);
  else await sendAll(environment, plan, parent, addToParent ? plan.children : []);
}

function sendChildren(
  environment: ExecuteEnvironment,
  calls: readonly Call[],
  parent: CurrentTask,
): Promise<readonly AsyncResult<unknown>[]> {
  const made = calls.map((call) => inherit(call, parent, environment));
  const children = made.filter((call) => call.options.addToParent !== false).map((call) => ({ id: call.options.taskId ?? '' }));
  return sendAll(environment, { calls: made, openings: [] }, parent, children);
}

async function sendAll(
  environment: ExecuteEnvironment,
  { calls, openings }: Pick<CanvasPlan, 'calls' | 'openings'>,
  parent: CurrentTask,
  children: readonly SentChild[],
): Promise<readonly AsyncResult<unknown>[]> {
  const made = calls.map((call) => inherit(call, parent, environment));
  // Listed before the broker answers, so that children stand in the order of the calls; taken back when nothing was sent.
  if (parent.trail) parent.children.push(...children);
  try {
    return await environment.publisher.send(made, openings);
  } catch (error) {
    forget(parent.children, children);
    throw error;
  }
}

function forget(list: SentChild[], gone: readonly SentChild[]): void {
  for (const child of gone) {
    const index = list.indexOf(child);
    if (index !== -1) list.splice(index, 1);
  }
}
