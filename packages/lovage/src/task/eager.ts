// Running a call here and now, as a worker would: `apply`, and every call of an app that is always eager. Retries come at once,
// nothing is stored unless `storeEagerResult` says so, and what follows is sent, or run here too.
import { EMPTY_EMBED } from '../protocol/index.ts';
import {
  allowJoinResult,
  type ChordOpening,
  type EagerResult,
  eagerResult,
  pendingRecord,
  READY_STATES,
  type ResultRecord,
} from '../result/index.ts';
import { ConfigurationError, EncodeError, uuid } from '../util/index.ts';
import { type Attempt, currentRequest, parts } from './attempt.ts';
import { type CurrentRequest, currentTask } from './context.ts';
import type { ExecuteEnvironment } from './environment.ts';
import { finish } from './finish.ts';
import type { Outcome } from './job.ts';
import { Limits } from './limits.ts';
import { tracebackOf } from './meta.ts';
import type { ApplyOptions, Call, CallOptions, TaskDefinition } from './options.ts';
import { type Ending, perform, postrun } from './perform.ts';
import { checkCall, sendCalls, sendPlan } from './send.ts';
import { linkList } from './wire-options.ts';

/** A call of an app that is always eager: its arguments make the trip through the serializer, then it runs here. */
export async function sendEagerly(environment: ExecuteEnvironment, call: Call): Promise<EagerResult<unknown>> {
  checkCall(environment, call);
  const definition = call.definition ?? environment.registry.get(call.task);
  const serializer = call.options.serializer ?? environment.options(definition).serializer ?? 'json';
  const encoded = environment.serialization.encode([call.args, call.kwargs], serializer);
  const [args, kwargs] = environment.serialization.decode(encoded, new Set([encoded.contentType])) as [
    Call['args'],
    Call['kwargs'],
  ];
  return runEagerly(environment, { ...call, args, kwargs, definition }, {});
}

/** Runs a call here. The outcome is in the result; with `throw` the error of a failure is thrown. */
export async function runEagerly(
  environment: ExecuteEnvironment,
  call: Call,
  given: ApplyOptions,
): Promise<EagerResult<unknown>> {
  const definition = call.definition ?? environment.registry.get(call.task);
  const { throw: propagates = environment.settings.eagerPropagates, ...applied } = given;
  const options: CallOptions = { ...call.options, ...applied };
  const taskId = options.taskId ?? uuid();
  const sent: Call[] = [];
  const attempt = attemptOf(catching(environment, sent), definition, { ...call, options: { ...options, taskId } });
  const ending = await inPlace(await perform(attempt));
  if (ending.kind === 'error' && propagates) {
    await postrun(attempt, 'FAILURE', ending.error);
    throw ending.error;
  }
  const began = environment.clock.monotonic();
  const outcome = await finish(attempt, ending, () => (environment.clock.monotonic() - began) / 1000);
  if (attempt.storesStates && outcome.results.length > 0) await environment.store(outcome.results);
  const result = eagerResult(recordOf(attempt, ending, outcome), { results: environment.results });
  const own = await opened(environment, sent, outcome.openings ?? [], taskId);
  return continued(environment, own, given, result);
}

/** What took the place of the task runs here, too, and its value is the task's. */
async function inPlace(ending: Ending): Promise<Ending> {
  if (ending.kind !== 'replaced') return ending;
  const { signature } = ending.replaced;
  const { apply } = signature as { readonly apply?: (missing: readonly unknown[]) => Promise<{ get(): Promise<unknown> }> };
  try {
    if (apply === undefined)
      throw new ConfigurationError('This signature cannot run in place: it came over the wire. Make it with task.s().');
    const result = await apply.call(signature, []);
    return { kind: 'value', value: await allowJoinResult(() => result.get()) };
  } catch (error) {
    return { kind: 'error', error };
  }
}

/** The environment with a publisher that only remembers what would be sent. */
function catching(environment: ExecuteEnvironment, sent: Call[]): ExecuteEnvironment {
  const prepare = (calls: readonly Call[]): [] => {
    sent.push(...calls);
    return [];
  };
  // The calls that the body itself makes look their publisher up in the app's own environment, not here.
  return {
    ...environment,
    publisher: { send: (calls) => environment.publisher.send(calls), publish: async () => undefined, prepare },
  };
}

/** Sends what follows together with the chords that it belongs to, if there are any; gives what is left to run or to send. */
async function opened(
  environment: ExecuteEnvironment,
  sent: readonly Call[],
  openings: readonly ChordOpening[],
  taskId: string,
): Promise<readonly Call[]> {
  if (openings.length === 0) return sent;
  if (environment.settings.alwaysEager) {
    throw new ConfigurationError(
      `A chord is linked to task ${taskId}, but parts of chords are counted by workers and this app is always eager: pipe the task into the chord.`,
    );
  }
  const calls = sent.filter(({ options }) => options.taskId !== taskId);
  await sendPlan(environment, { calls, openings, result: undefined, children: [] });
  return sent.filter((call) => !calls.includes(call));
}

/** Runs next attempts and, when the app is always eager, what follows; else that is sent. The last attempt's result is the call's. */
async function continued(
  environment: ExecuteEnvironment,
  sent: readonly Call[],
  given: ApplyOptions,
  result: EagerResult<unknown>,
): Promise<EagerResult<unknown>> {
  let last = result;
  for (const call of sent) {
    const { link: _link, linkError: _linkError, retries: _retries, taskId: _taskId, ...kept } = given;
    if (call.options.taskId === result.id) last = await runEagerly(environment, call, kept);
    else if (environment.settings.alwaysEager && call.definition !== undefined) await sendEagerly(environment, call);
    else await sendCalls(environment, [call]);
  }
  return last;
}

function attemptOf(environment: ExecuteEnvironment, definition: TaskDefinition, call: Call): Attempt {
  const options = environment.options(definition);
  const stores = (options.storeEagerResult ?? false) && !(call.options.ignoreResult ?? options.ignoreResult ?? false);
  const request = { ...requestOf(environment, definition, call), ignoreResult: !stores };
  return {
    environment,
    definition,
    options,
    ...parts(request),
    limits: new Limits({
      task: definition.name,
      id: request.id,
      soft: undefined,
      hard: undefined,
      outer: call.options.signal && { signal: call.options.signal },
    }),
    children: [],
    retries: [],
    storesStates: stores,
  };
}

function requestOf(environment: ExecuteEnvironment, definition: TaskDefinition, { args, kwargs, options }: Call): CurrentRequest {
  const parent = currentTask()?.request;
  const id = options.taskId ?? uuid();
  const wires = (links: CallOptions['link']): readonly ReturnType<ReturnType<typeof linkList>[number]['toWire']>[] | null => {
    const list = linkList(links).map((link) => link.toWire());
    return list.length === 0 ? null : list;
  };
  const embed = {
    ...EMPTY_EMBED,
    callbacks: wires(options.link),
    errbacks: wires(options.linkError),
    chain: options.chain ?? null,
  };
  // What the message would be given, as far as the call and the task say it; nothing is routed here.
  const own = environment.options(definition);
  const { exchange = own.exchange ?? '', routingKey = own.routingKey ?? '' } = options;
  const priority = typeof options.priority === 'number' ? options.priority : undefined;
  return currentRequest(
    {
      id,
      task: definition.name,
      lang: 'js',
      shadow: options.shadow,
      eta: undefined,
      expires: undefined,
      group: options.groupId,
      groupIndex: options.groupIndex,
      retries: options.retries ?? 0,
      timeLimit: own.timeLimit ?? undefined,
      softTimeLimit: own.softTimeLimit ?? undefined,
      rootId: options.rootId ?? parent?.rootId ?? id,
      parentId: options.parentId ?? parent?.id,
      argsRepr: options.argsRepr ?? '',
      kwargsRepr: options.kwargsRepr ?? '',
      origin: options.origin,
      ignoreResult: undefined,
      replacedTaskNesting: options.replacedTaskNesting ?? 0,
      stampedHeaders: options.stampedHeaders,
      stamps: options.stamps ?? {},
      headers: options.headers ?? {},
      correlationId: id,
      replyTo: options.replyTo,
      deliveryInfo: { exchange, routingKey, priority, redelivered: false },
      attempts: 1,
      etaAt: undefined,
      expiresAt: undefined,
      hostname: environment.hostname,
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      compression: undefined,
      protocol: 2,
    },
    { args, kwargs, embed },
    { isEager: true, calledDirectly: false },
  );
}

function errorOf(ending: Ending, outcome: Outcome): Error | undefined {
  if (outcome.state !== 'FAILURE') return undefined;
  if (ending.kind === 'error')
    return ending.error instanceof Error ? ending.error : new Error(outcome.repr, { cause: ending.error });
  return new EncodeError(outcome.error?.message ?? outcome.repr);
}

function recordOf(attempt: Attempt, ending: Ending, outcome: Outcome): ResultRecord {
  const { request, environment, children } = attempt;
  const error = errorOf(ending, outcome);
  return {
    ...pendingRecord(request.id),
    state: outcome.state,
    value: outcome.state === 'SUCCESS' && ending.kind === 'value' ? ending.value : undefined,
    error,
    traceback: error === undefined ? undefined : tracebackOf(error),
    children: [...children],
    dateDone: READY_STATES.has(outcome.state) ? new Date(environment.clock.now() * 1000) : undefined,
    groupId: request.group,
    parentId: request.parentId,
    name: request.task,
    args: request.args,
    kwargs: request.kwargs,
    worker: request.hostname,
    retries: request.retries,
    queue: undefined,
    stamps: request.stamps,
  };
}
