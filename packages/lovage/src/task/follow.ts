// What follows a task: callbacks and the next step of its chain after a value, errbacks after an error. Planned here as calls whose ids
// depend on the finished task alone, so that an attempt that runs twice sends the same messages, not new ones.
import { hash } from 'node:crypto';
import { type ChainText, chainSignatures, type TaskRequest, type WireSignature } from '../protocol/index.ts';
import type { ChordOpening } from '../result/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { Attempt, Place } from './attempt.ts';
import type { SentChild } from './context.ts';
import type { CanvasPlan, ExecuteEnvironment, ExpandInput } from './environment.ts';
import { inTime } from './in-time.ts';
import type { Call, CallOptions, TaskDefinition } from './options.ts';
import { readOptions } from './wire-options.ts';

/** A part of an attempt: who is followed. */
export type Followed = Pick<Attempt, 'environment' | 'request'>;

/** The same without its body. */
interface Origin {
  readonly environment: ExecuteEnvironment;
  readonly request: TaskRequest;
}

/** What follows, and how the task's record lists it. */
export interface Following {
  readonly calls: readonly Call[];
  readonly children: readonly SentChild[];
  /** Chords to open before the calls are sent. */
  readonly openings: readonly ChordOpening[];
}

/** A UUID made of the id of the task that is followed and the place of the follower. */
export function derivedId(id: string, place: string): string {
  const hex = hash('sha256', `lovage ${id} ${place}`);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

interface Step extends ExpandInput {
  readonly group?: { readonly id: string; readonly index: number };
  /** Takes the place of `chain` where that is text. */
  readonly behind?: ChainText;
}

/** What has a type is no plain task. Whoever starts it refuses a type that nobody knows: as a task it would run something else. */
const isContainer = ({ subtask_type: type }: WireSignature): boolean => type !== null;

/** A call that its sender's record does not list. A group is listed whole. */
const isUnlisted = ({ options }: WireSignature, { group }: Step): boolean =>
  options.add_to_parent === false && group === undefined;

/** Plans the start of any signature from the wire, plain or a canvas, inside a worker: what follows a task, the body of a chord. Throws ConfigurationError for a canvas that nothing here can start. */
export function startSignature(environment: ExecuteEnvironment, wire: WireSignature, input: ExpandInput): CanvasPlan {
  return started(environment, wire, input);
}

function started(environment: ExecuteEnvironment, wire: WireSignature, step: Step): CanvasPlan {
  if (!isContainer(wire)) {
    const call = callOf(environment, wire, step);
    return { calls: [call], openings: [], result: childOf(call), children: isUnlisted(wire, step) ? [] : [childOf(call)] };
  }
  if (environment.expand === undefined) {
    throw new ConfigurationError(`A ${wire.subtask_type} is to start here, but nothing here can start one.`);
  }
  const { behind } = step;
  const input = behind === undefined ? step : { ...step, chain: chainSignatures(behind) };
  const plan = environment.expand(inGroup(wire, step.group), input);
  return isUnlisted(wire, step) ? { ...plan, children: [] } : plan;
}

/** A canvas among several callbacks is a member of their group as a plain one is. */
function inGroup(wire: WireSignature, group: Step['group']): WireSignature {
  if (group === undefined || typeof wire.options.group_id === 'string') return wire;
  return { ...wire, options: { ...wire.options, group_id: group.id, group_index: group.index } };
}

function callOf(environment: ExecuteEnvironment, wire: WireSignature, step: Step): Call {
  const stored = readOptions(wire.options);
  const definition = environment.registry.find(wire.task);
  const options: CallOptions = {
    ...(step.priority === undefined ? {} : { priority: step.priority }),
    ...stored,
    taskId: stored.taskId ?? step.seed,
    rootId: step.rootId,
    ...(step.parentId === undefined ? {} : { parentId: step.parentId }),
    ...(step.chain.length === 0 ? {} : { chain: step.chain }),
    ...(step.group === undefined || stored.groupId !== undefined ? {} : { groupId: step.group.id, groupIndex: step.group.index }),
  };
  const args = wire.immutable ? wire.args : [...step.args, ...wire.args];
  const known = definition === undefined ? {} : { definition };
  const call: Call = { task: wire.task, args, kwargs: wire.kwargs, options, ...known };
  const { behind } = step;
  if (behind === undefined) return call;
  // A signature may bring a chain of its own, in whose place this one comes.
  return stored.chain === undefined ? { ...call, behind } : { ...call, options: { ...options, chain: chainSignatures(behind) } };
}

function stepOf({ environment, request }: Origin, args: readonly unknown[], place: string): Step {
  const { priority } = request.deliveryInfo;
  return {
    args,
    seed: derivedId(request.id, place),
    parentId: request.id,
    rootId: request.rootId === '' ? request.id : request.rootId,
    chain: [],
    ...(environment.settings.inheritParentPriority && priority !== undefined ? { priority } : {}),
  };
}

/** Groups first, each for itself; the others together are one group. Only a callback that is alone is none; an errback is. */
function parallel(
  followed: Origin,
  wires: readonly WireSignature[],
  args: readonly unknown[],
  kind: 'callback' | 'errback',
): Following {
  const { environment, request } = followed;
  const groups = wires
    .filter((wire) => wire.subtask_type === 'group')
    .map((wire, index) => started(environment, wire, stepOf(followed, args, `${kind} group ${index}`)));
  const others = wires.filter((wire) => wire.subtask_type !== 'group');
  const isGroup = others.length > 0 && (kind === 'errback' || wires.length > 1);
  const id = isGroup ? derivedId(request.id, kind) : undefined;
  const together = others.map((wire, index) => {
    const step = stepOf(followed, args, `${kind} ${index}`);
    return started(environment, wire, id === undefined ? step : { ...step, group: { id, index } });
  });
  const children = together.flatMap((plan) => plan.children);
  return followingOf(
    [...groups, ...together],
    [...groups.flatMap((plan) => plan.children), ...(id === undefined ? children : [{ id, members: children }])],
  );
}

function followingOf(plans: readonly CanvasPlan[], children: readonly SentChild[]): Following {
  return { calls: plans.flatMap((plan) => plan.calls), openings: plans.flatMap((plan) => plan.openings), children };
}

const childOf = (call: Call): SentChild => ({ id: call.options.taskId ?? '' });
const NOTHING: Following = { calls: [], children: [], openings: [] };

/** What follows a value: callbacks, then the next step of the chain (its LAST element) with the rest of it. */
export function afterValue(
  { environment, message, body }: Pick<Attempt, 'environment' | 'message' | 'body'>,
  returned: unknown,
): Following {
  // A task that returns nothing returned null, as its record says too.
  const value = returned === undefined ? null : returned;
  const { embed } = body;
  const followed: Origin = { environment, request: message };
  const linked = embed.callbacks === null ? NOTHING : parallel(followed, embed.callbacks, [value], 'callback');
  const next = embed.next ?? embed.chain?.at(-1);
  if (next === undefined) return linked;
  const rest = embed.behind === undefined ? { chain: embed.chain?.slice(0, -1) ?? [] } : { behind: embed.behind };
  const plan = started(environment, next, { ...stepOf(followed, [value], 'chain'), ...rest });
  return {
    calls: [...linked.calls, ...plan.calls],
    openings: [...linked.openings, ...plan.openings],
    children: [...linked.children, ...plan.children],
  };
}

/** Is this errback run in the slot of the failed task, with (request, error, traceback)? Else it gets a message with the failed id. */
export function isInline(definition: TaskDefinition | undefined): definition is TaskDefinition {
  if (definition === undefined) return false;
  const { errback } = definition.options;
  if (errback !== undefined) return errback === 'inline';
  return !definition.bind && definition.arity !== undefined && definition.arity.max > 1;
}

/** Errbacks that are sent, with the failed id as their first argument. */
export function afterError(followed: Followed): Following {
  const { errbacks } = followed.request;
  if (errbacks === null) return NOTHING;
  const sent = errbacks.filter((wire) => isContainer(wire) || !isInline(followed.environment.registry.find(wire.task)));
  return parallel(followed, sent, [followed.request.id], 'errback');
}

/**
 * Runs the errbacks that are functions of this process. What they throw goes to `complain`. Outside of a slot the worker itself waits for
 * them, so there one that does not end is left to itself after its time limit.
 */
export async function runErrbacks(
  followed: Followed,
  error: unknown,
  traceback: string | undefined,
  complain: (error: unknown) => void,
  place: Place = 'slot',
): Promise<void> {
  for (const wire of followed.request.errbacks ?? []) {
    const definition = isContainer(wire) ? undefined : followed.environment.registry.find(wire.task);
    if (!isInline(definition)) continue;
    try {
      const given = wire.immutable ? wire.args : [followed.request, error, traceback, ...wire.args];
      const called = (definition.run as (...args: readonly unknown[]) => unknown)(...given);
      await (place === 'slot' ? called : withinLimit(followed.environment, definition, called));
    } catch (thrown) {
      complain(thrown);
    }
  }
}

function withinLimit(environment: ExecuteEnvironment, definition: TaskDefinition, called: unknown): Promise<unknown> {
  return inTime(`The errback ${definition.name}`, called, environment.options(definition).timeLimit ?? undefined);
}
