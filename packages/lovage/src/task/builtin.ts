// The tasks that every app has, under Celery's names, because workers of either language may send them: they are wire contracts. They are
// found when a message names them, and listed nowhere.
import { type ResultTuple, resultTuple, type WireSignature } from '../protocol/index.ts';
import { ConfigurationError, InvalidTaskError } from '../util/index.ts';
import { ANY_KEYWORDS } from './arguments.ts';
import { unlockChord } from './builtin-unlock.ts';
import type { TaskContext } from './context.ts';
import { callDirectly } from './direct.ts';

import { derivedId, startSignature } from './follow.ts';
import type { TaskDefinition, TaskOptions } from './options.ts';
import type { TaskPort } from './port.ts';
import { sendPlan } from './send.ts';

type Body = (context: TaskContext, ...args: readonly unknown[]) => unknown;

const isSignature = (value: unknown): value is WireSignature =>
  typeof value === 'object' && value !== null && typeof (value as Partial<WireSignature>).task === 'string';
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

function builtIn(name: string, run: Body, options: TaskOptions = {}): TaskDefinition {
  return Object.freeze({ name, options, handlers: {}, params: ANY_KEYWORDS, arity: undefined, bind: true, run });
}

/** An argument by its name, or by its place. */
function given({ request }: TaskContext, name: string, place: number): unknown {
  return Object.hasOwn(request.kwargs, name) ? request.kwargs[name] : request.args[place];
}

/** Runs a task once for each item, one after the other, each like a function. */
async function each(port: TaskPort, context: TaskContext, argsOf: (item: unknown) => readonly unknown[]): Promise<unknown[]> {
  const task = given(context, 'task', 0);
  const items = given(context, 'it', 1);
  const name = isSignature(task) ? task.task : task;
  if (typeof name !== 'string' || !Array.isArray(items))
    throw new InvalidTaskError(`${context.name} needs 'task', a signature, and 'it', a list.`);
  const definition = port.environment().registry.get(name);
  const values: unknown[] = [];
  for (const item of items as readonly unknown[]) {
    context.throwIfAborted();
    values.push(await callDirectly(port, definition, argsOf(item)));
  }
  return values;
}

/** Starts a canvas; its result as a tuple is the result of the task that does. */
async function start(
  port: TaskPort,
  { request }: TaskContext,
  wire: WireSignature,
  args: readonly unknown[],
): Promise<ResultTuple | null> {
  const environment = port.environment();
  const rootId = request.rootId === '' ? request.id : request.rootId;
  const seed = derivedId(request.id, 'canvas');
  const plan = startSignature(environment, wire, { args, rootId, parentId: request.id, chain: [], seed });
  await sendPlan(environment, plan);
  return plan.result === undefined ? null : resultTuple(plan.result);
}

function container(type: 'group' | 'chord', kwargs: WireSignature['kwargs'], options: WireSignature['options']): WireSignature {
  return { task: `celery.${type}`, args: [], kwargs, options, subtask_type: type, immutable: false };
}

function chunksOf(context: TaskContext): WireSignature {
  const task = given(context, 'task', 0);
  const items = listOf(given(context, 'it', 1));
  const size = Number(given(context, 'n', 2));
  if (!(size >= 1)) throw new InvalidTaskError("celery.chunks needs 'n', the number of items in a chunk, of 1 or more.");
  const starmap = (it: readonly unknown[]): WireSignature => ({
    task: 'celery.starmap',
    args: [],
    kwargs: { task, it },
    options: {},
    subtask_type: null,
    immutable: true,
  });
  const count = Math.ceil(items.length / size);
  const tasks = Array.from({ length: count }, (_, index) => starmap(items.slice(index * size, (index + 1) * size)));
  return container('group', { tasks }, {});
}

function groupOf(context: TaskContext): WireSignature {
  const groupId = given(context, 'group_id', 2);
  return container(
    'group',
    { tasks: listOf(given(context, 'tasks', 0)) },
    typeof groupId === 'string' ? { task_id: groupId } : {},
  );
}

function accumulate(context: TaskContext, ...args: readonly unknown[]): unknown {
  const { index } = context.request.kwargs;
  if (index === undefined || index === null) return args;
  const at = Number(index);
  return args.at(at);
}

/** The tasks of an app. */
export function builtInTasks(port: TaskPort): readonly TaskDefinition[] {
  return [
    builtIn('celery.accumulate', accumulate),
    builtIn('celery.backend_cleanup', async () => {
      await port.environment().results.cleanup();
      return null;
    }),
    builtIn('celery.chain', () => {
      throw new ConfigurationError('A chain is no task: its first step is sent, and carries the others.');
    }),
    builtIn('celery.chord', (context) => {
      const kwargs = { kwargs: {}, header: given(context, 'header', 0), body: given(context, 'body', 1) };
      return start(port, context, container('chord', kwargs, {}), listOf(given(context, 'partial_args', 2)));
    }),
    builtIn('celery.chord_unlock', (context) => unlockChord(port, context), { ignoreResult: true, maxRetries: null }),
    builtIn('celery.chunks', (context) => start(port, context, chunksOf(context), [])),
    builtIn('celery.group', (context) => start(port, context, groupOf(context), listOf(given(context, 'partial_args', 3)))),
    builtIn('celery.map', (context) => each(port, context, (item) => [item])),
    builtIn('celery.starmap', (context) => each(port, context, listOf)),
  ];
}
