// A canvas run here and now, without messages: `apply`, and every call of an app that is always eager. Steps run one after the other,
// each gets what the one before it gave; a step that failed throws where its value is fetched for the next.
import type { WireSignature } from '../protocol/index.ts';
import { type AsyncResult, allowJoinResult, eagerGroup, type GroupResult } from '../result/index.ts';
import { type ApplyOptions, type Call, type CanvasResult, readOptions, type SignatureHost } from '../task/index.ts';
import { ConfigurationError, taskUuid } from '../util/index.ts';
import { prepared } from './combine.ts';
import { errorLinked, linked, settledChord } from './link.ts';
import {
  asPart,
  bodyOf,
  flatTasks,
  headerOf,
  isChunks,
  kindOf,
  linksOf,
  mergeSignature,
  tasksOf,
  textOption,
  withOptions,
  without,
} from './wire.ts';

/** States after which a chain goes no further, although nothing failed. */
const STOPPED: ReadonlySet<string> = new Set(['IGNORED', 'REJECTED']);

interface Running {
  readonly host: SignatureHost;
  readonly throws: boolean | undefined;
}

/** Runs a canvas here; its result is at hand. undefined for an empty chain. */
export function appliedHere(
  wire: WireSignature,
  args: readonly unknown[],
  host: SignatureHost,
  options: Readonly<Record<string, unknown>> = {},
  throws?: boolean,
): Promise<CanvasResult | undefined> {
  return allowJoinResult(() => applied(mergeSignature(wire, args, {}, options), undefined, { host, throws }));
}

function applied(
  signature: WireSignature,
  parent: CanvasResult | undefined,
  running: Running,
): Promise<CanvasResult | undefined> {
  switch (kindOf(signature)) {
    case 'task':
      return isChunks(signature) ? applyGroup(asPart(signature), parent, running) : applyTask(signature, running);
    case 'chain':
      return applyChain(signature, parent, running);
    case 'group':
      return applyGroup(signature, parent, running);
    case 'chord':
      return applyChord(signature, parent, running);
  }
}

async function applyTask(signature: WireSignature, { host, throws }: Running): Promise<AsyncResult<unknown>> {
  const { task, args, kwargs } = signature;
  const options = readOptions(signature.options);
  const definition = host.environment().registry.find(task);
  const call: Call = { task, args, kwargs, options, ...(definition === undefined ? {} : { definition }) };
  const given: ApplyOptions = throws === undefined ? {} : { throw: throws };
  return host.apply(call, given);
}

const rulesOf = ({ host }: Running): { readonly errorsOnHeader: boolean } => ({
  errorsOnHeader: host.environment().settings.errbacksOnHeaders ?? false,
});

async function applyChain(
  chain: WireSignature,
  parent: CanvasResult | undefined,
  running: Running,
): Promise<CanvasResult | undefined> {
  const rules = rulesOf(running);
  const steps = prepared(tasksOf(chain), rules).map((step, index, all) => {
    const own = index === all.length - 1 ? linksOf(chain.options, 'link').reduce(linked, step) : step;
    return linksOf(chain.options, 'link_error').reduce((made, error) => errorLinked(made, error, rules), own);
  });
  let last = parent;
  for (const [index, step] of steps.entries()) {
    const given = index === 0 ? chain.args : last === undefined ? [] : [await last.get({ followParents: false })];
    const options = index === 0 ? without(chain.options, 'task_id', 'link', 'link_error') : {};
    last = await applied(mergeSignature(step, given, {}, options), last, running);
    if (last !== undefined && 'state' in last && STOPPED.has(await last.state())) return last;
  }
  return last;
}

async function applyGroup(
  group: WireSignature,
  parent: CanvasResult | undefined,
  running: Running,
): Promise<GroupResult<unknown[]>> {
  const id = textOption(group.options, 'task_id') ?? taskUuid();
  const options = without(group.options, 'task_id', 'group_id', 'group_index', 'chord');
  const members: CanvasResult[] = [];
  for (const [index, task] of flatTasks(group).entries()) {
    const member = withOptions(mergeSignature(task, group.args, {}, options), { group_id: id, group_index: index });
    const result = await applied(member, undefined, running);
    if (result !== undefined) members.push(result);
  }
  return eagerGroup<unknown[]>(id, members, { parent });
}

async function applyChord(
  given: WireSignature,
  parent: CanvasResult | undefined,
  running: Running,
): Promise<CanvasResult | undefined> {
  const chord = settledChord(given, rulesOf(running));
  const body = bodyOf(chord);
  if (body === undefined) throw new ConfigurationError('A chord without a body was to be run: give it one, chord(header, body).');
  const header = await applyGroup(mergeSignature(headerOf(chord), chord.args), parent, running);
  const values = await header.get({ followParents: false });
  const id = textOption(chord.options, 'task_id');
  const named = id === undefined || textOption(body.options, 'task_id') !== undefined ? body : withOptions(body, { task_id: id });
  return applied(mergeSignature(named, [values]), header, running);
}
