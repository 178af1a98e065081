// Replacing a running task: the signature that takes its place ends under its id, so whoever waits for the task waits for that. Pure, on
// signatures as they travel: what the task would have done at its end (callbacks, errbacks, chord, the rest of its chain) goes over to it.
import type { WireSignature } from '../protocol/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { Attempt } from './attempt.ts';
import type { CurrentRequest } from './context.ts';
import type { CanvasPlan } from './environment.ts';
import { derivedId, startSignature } from './follow.ts';
import type { Call, SignatureLike } from './options.ts';

type Options = Readonly<Record<string, unknown>>;
type Change = (wire: WireSignature) => WireSignature;

const withOptions = (wire: WireSignature, options: Options): WireSignature => ({
  ...wire,
  options: { ...wire.options, ...options },
});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const tasksOf = (wire: WireSignature): readonly WireSignature[] => listOf(wire.kwargs.tasks) as readonly WireSignature[];
const withTasks = (wire: WireSignature, tasks: readonly WireSignature[]): WireSignature => ({
  ...wire,
  kwargs: { ...wire.kwargs, tasks },
});

/** The body that makes a list of a group's results the result of one task. */
const ACCUMULATE: WireSignature = {
  task: 'celery.accumulate',
  args: [],
  kwargs: { index: 0 },
  options: {},
  subtask_type: null,
  immutable: false,
};

/** A group has no id under which one result could be found; a chord around it has. */
export function chordAround(group: WireSignature): WireSignature {
  const kwargs = { kwargs: {}, header: group, body: ACCUMULATE };
  return { task: 'celery.chord', args: [], kwargs, options: {}, subtask_type: 'chord', immutable: false };
}

/** Changes the task with which a signature ends. */
export function changeEnd(wire: WireSignature, change: Change): WireSignature {
  if (wire.subtask_type === 'group') return changeEnd(chordAround(wire), change);
  if (wire.subtask_type === 'chain') {
    const tasks = tasksOf(wire);
    const last = tasks.at(-1);
    if (last === undefined)
      throw new ConfigurationError('An empty chain cannot take the place of a task: nothing would ever end under its id.');
    return withTasks(wire, [...tasks.slice(0, -1), changeEnd(last, change)]);
  }
  const { body } = wire.kwargs;
  if (wire.subtask_type !== 'chord' || typeof body !== 'object' || body === null) return change(wire);
  return { ...wire, kwargs: { ...wire.kwargs, body: changeEnd(body as WireSignature, change) } };
}

/** Changes every task of a signature; the header of a chord only with `header`. */
function changeAll(wire: WireSignature, change: Change, header: boolean): WireSignature {
  const each = (inner: WireSignature): WireSignature => changeAll(inner, change, header);
  if (wire.subtask_type === 'chain' || wire.subtask_type === 'group') return withTasks(wire, tasksOf(wire).map(each));
  if (wire.subtask_type !== 'chord') return change(wire);
  const { header: members, body } = wire.kwargs;
  const inner = !header ? members : Array.isArray(members) ? members.map(each) : isSignature(members) ? each(members) : members;
  return { ...wire, kwargs: { ...wire.kwargs, header: inner, body: isSignature(body) ? each(body) : body } };
}

const isSignature = (value: unknown): value is WireSignature =>
  typeof value === 'object' && value !== null && typeof (value as Partial<WireSignature>).task === 'string';

function added(wire: WireSignature, name: 'link' | 'link_error', links: readonly WireSignature[] | null): WireSignature {
  if (links === null || links.length === 0) return wire;
  const known = wire.options[name];
  const list = known === undefined || known === null ? [] : Array.isArray(known) ? (known as unknown[]) : [known];
  const texts = new Set(list.map((link) => JSON.stringify(link)));
  return withOptions(wire, { [name]: [...list, ...links.filter((link) => !texts.has(JSON.stringify(link)))] });
}

/** What the end of a replacement takes over. */
function endOptions({ id, chord, group, groupIndex, replyTo }: CurrentRequest): Options {
  return {
    task_id: id,
    ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    ...(group === undefined ? {} : { group_id: group }),
    ...(groupIndex === undefined ? {} : { group_index: groupIndex }),
    ...(chord === null ? {} : { chord }),
  };
}

/** The signature in the place of a request's task. Throws ConfigurationError for one that cannot be. */
export function replacement(request: CurrentRequest, wire: WireSignature, errbacksOnHeaders = false): WireSignature {
  if (wire.options.chord !== undefined && wire.options.chord !== null)
    throw new ConfigurationError(
      'A signature that takes the place of a task must not be a member of a chord itself: it becomes one where the task was.',
    );
  const nesting = request.replacedTaskNesting + 1;
  const ended = changeEnd(wire, (end) => added(withOptions(end, endOptions(request)), 'link', request.callbacks));
  const caught = changeAll(ended, (task) => added(task, 'link_error', request.errbacks), errbacksOnHeaders);
  return changeAll(caught, (task) => withOptions(task, { replaced_task_nesting: nesting }), true);
}

/** The calls that go on in the place of an attempt's task, with the rest of its chain behind them. */
export function planReplacement(attempt: Attempt, signature: SignatureLike): CanvasPlan {
  const { environment, request } = attempt;
  const nesting = request.replacedTaskNesting + 1;
  const wire = replacement(request, signature.toWire(), environment.settings.errbacksOnHeaders === true);
  const priority = environment.settings.inheritParentPriority ? request.deliveryInfo.priority : undefined;
  const plan = startSignature(environment, wire, {
    args: [],
    rootId: request.rootId === '' ? request.id : request.rootId,
    chain: (request.chain ?? []).map((step) =>
      changeAll(step, (task) => withOptions(task, { replaced_task_nesting: nesting }), true),
    ),
    seed: derivedId(request.id, `replacement ${nesting}`),
    ...(priority === undefined ? {} : { priority }),
  });
  // As calls made in the task: the body of a chord is no child of it.
  return { ...plan, calls: plan.calls.map((call) => childOf(call, request.id)) };
}

function childOf(call: Call, parentId: string): Call {
  return call.options.parentId === undefined ? { ...call, options: { ...call.options, parentId } } : call;
}
