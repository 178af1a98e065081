// Fixes the ids of a canvas and, of what starts at once, makes the calls: one walk over the tree, pure but for `newId`. The rest of a chain
// and the body of a chord travel inside the calls as signatures with their ids; whoever goes on with them finds them there.
import { type ResultNode, resultTuple, type WireSignature } from '../protocol/index.ts';
import type { ChordOpening } from '../result/index.ts';
import { type Call, readOptions, type SentChild, type TaskRegistry } from '../task/index.ts';
import { ConfigurationError } from '../util/index.ts';
import { chordBefore, prepared } from './combine.ts';
import { errorLinked, type LinkRules, linked, settledChord } from './link.ts';
import {
  bodyOf,
  flatTasks,
  headerOf,
  kindOf,
  linksOf,
  mergeSignature,
  mergeWireOptions,
  tasksOf,
  textOption,
  withKwargs,
  withOptions,
  without,
} from './wire.ts';

type Options = Readonly<Record<string, unknown>>;

/** What all signatures of one plan share, and where the calls go. */
export interface Planning {
  readonly rules: LinkRules;
  readonly registry: Pick<TaskRegistry, 'find'> | undefined;
  newId(): string;
  /** Where results are sent when their backend sends them; written into every signature that has none. */
  readonly replyTo: string | undefined;
  /** Seconds that the bookkeeping of a chord lives; undefined: for ever. */
  readonly expires: number | undefined;
  /** Of calls that say nothing of their own. */
  readonly priority: number | undefined;
  readonly calls: Call[];
  readonly openings: ChordOpening[];
}

/** With what something starts at once. */
export interface Start {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Given to it by the canvas around it, over its own. */
  readonly options: Options;
  /** The rest of the chain around it, in reverse. */
  readonly chain: readonly WireSignature[];
  readonly rootId: string | undefined;
  readonly parentId: string | undefined;
}

/** Where a signature stands. */
interface Place {
  readonly id?: string | undefined;
  readonly groupId?: string | undefined;
  /** The body of the chord that waits for it. */
  readonly chord?: WireSignature | undefined;
  readonly index?: number | undefined;
  /** Absent: it only gets its ids. */
  readonly start?: Start | undefined;
}

/** A signature with its ids. */
export interface Frozen {
  readonly signature: WireSignature;
  /** undefined: it sends nothing. */
  readonly node: ResultNode | undefined;
  /** How many completions a chord waits for because of it. */
  readonly size: number;
  /** How the record of the task that started it lists it. */
  readonly children: readonly SentChild[];
}

/** Fixes the ids of a signature; with `start` also makes its calls. */
export function frozen(signature: WireSignature, place: Place, planning: Planning): Frozen {
  switch (kindOf(signature)) {
    case 'task':
      return frozenTask(signature, place, planning);
    case 'chain':
      return frozenChain(signature, place, planning);
    case 'group':
      return frozenGroup(signature, place, planning);
    case 'chord':
      return frozenChord(signature, place, planning);
  }
}

function frozenTask(given: WireSignature, place: Place, planning: Planning): Frozen {
  const { start } = place;
  const signature = start === undefined ? given : mergeSignature(given, start.args, start.kwargs, start.options);
  const id = textOption(signature.options, 'task_id') ?? place.id ?? planning.newId();
  const made = { ...signature, options: placedOptions(signature.options, id, place, planning) };
  if (start !== undefined) planning.calls.push(callOf(made, start, planning));
  return { signature: made, node: { id }, size: 1, children: signature.options.add_to_parent === false ? [] : [{ id }] };
}

function placedOptions(stored: Options, id: string, place: Place, { replyTo }: Planning): Record<string, unknown> {
  const options: Record<string, unknown> = { ...stored, task_id: id };
  if (replyTo !== undefined && textOption(stored, 'reply_to') === undefined) options.reply_to = replyTo;
  Object.assign(options, membership(stored, place));
  return options;
}

/** The group that a signature belongs to already. One that no chord waits for gives way to one that does: Celery names the header's group in a body, too. */
function ownGroup(stored: Options, chord: WireSignature | undefined): string | undefined {
  const isLoose = stored.chord === undefined || stored.chord === null;
  return chord !== undefined && isLoose ? undefined : textOption(stored, 'group_id');
}

/** Who waits for it. A group that it belongs to already is kept, and with it the place there. */
function membership(stored: Options, { groupId, chord, index }: Place): Options {
  const own = ownGroup(stored, chord);
  const isElsewhere = own !== undefined && own !== groupId && typeof stored.group_index === 'number';
  return {
    ...(own === undefined && groupId !== undefined ? { group_id: groupId } : {}),
    ...(chord === undefined ? {} : { chord }),
    ...(index === undefined || isElsewhere ? {} : { group_index: index }),
  };
}

function callOf(signature: WireSignature, start: Start, planning: Planning): Call {
  const { task, args, kwargs } = signature;
  const { chord, chain: own, ...plain } = signature.options;
  const stored = readOptions(plain);
  const chain = [...start.chain, ...linksOf({ chain: own }, 'chain')];
  const definition = planning.registry?.find(task);
  const rootId = start.rootId ?? stored.rootId;
  const parentId = start.parentId ?? stored.parentId;
  const options = {
    ...(planning.priority === undefined ? {} : { priority: planning.priority }),
    ...stored,
    ...(rootId === undefined ? {} : { rootId }),
    ...(parentId === undefined ? {} : { parentId }),
    ...(chain.length === 0 ? {} : { chain }),
    ...(chord === undefined || chord === null ? {} : { chord: chord as WireSignature }),
  };
  return definition === undefined ? { task, args, kwargs, options } : { task, args, kwargs, options, definition };
}

/** Where the options of a container put it, unless its place says otherwise. */
function placeOf({ options }: WireSignature, place: Place): Place {
  const own = ownGroup(options, place.chord);
  const index = typeof options.group_index === 'number' ? options.group_index : undefined;
  const isElsewhere = own !== undefined && own !== place.groupId;
  const chord = options.chord === undefined || options.chord === null ? undefined : (options.chord as WireSignature);
  return {
    ...place,
    groupId: own ?? place.groupId,
    chord: place.chord ?? chord,
    index: isElsewhere ? (index ?? place.index) : (place.index ?? index),
  };
}

/** Options of a container that say who it is and who waits for it: they are not handed to its members as they are. */
const OWN = ['task_id', 'group_id', 'group_index', 'chord', 'chain', 'root_id', 'parent_id', 'link', 'link_error'] as const;

/** What a container hands on when it starts. */
function handedOn(signature: WireSignature, start: Start): Start {
  const { options } = signature;
  return {
    args: signature.immutable ? signature.args : [...start.args, ...signature.args],
    kwargs: signature.immutable ? {} : start.kwargs,
    options: mergeWireOptions(without(options, ...OWN), start.options),
    chain: [...start.chain, ...linksOf(options, 'chain')],
    rootId: start.rootId ?? textOption(options, 'root_id'),
    parentId: start.parentId ?? textOption(options, 'parent_id'),
  };
}

/** A result with what comes before it: the oldest of its own ancestors gets `parent`. */
function behind(node: ResultNode | undefined, parent: ResultNode | undefined): ResultNode | undefined {
  if (node === undefined || parent === undefined) return node ?? parent;
  return { ...node, parent: behind(node.parent, parent) };
}

function frozenChain(given: WireSignature, around: Place, planning: Planning): Frozen {
  const { start } = around;
  const place = placeOf(given, around);
  const steps = start === undefined ? prepared(tasksOf(given), planning.rules) : linkedSteps(given, planning.rules);
  if (steps.length === 0) return { signature: given, node: undefined, size: 0, children: [] };
  const id = textOption(given.options, 'task_id') ?? place.id;
  const last = steps.length - 1;
  const ends = (index: number): Place =>
    index === last ? { id, groupId: place.groupId, chord: place.chord, index: place.index } : {};
  const later = steps.slice(1).map((step, index) => frozen(step, ends(index + 1), planning));
  const first = frozen(steps[0] as WireSignature, { ...ends(0), start: start && chainStart(given, start, later) }, planning);
  const all = [first, ...later];
  const node = all.reduce<ResultNode | undefined>((before, step) => behind(step.node, before), undefined);
  const tasks = all.map((step) => step.signature);
  const signature = withOptions(withKwargs(given, { tasks }), node === undefined ? {} : { task_id: node.id });
  const size = all.findLast((step) => step.size > 0)?.size ?? 0;
  return { signature, node, size, children: first.children };
}

/** A chain that starts hands what is linked to it to its steps. */
function linkedSteps(chain: WireSignature, rules: LinkRules): readonly WireSignature[] {
  const links = linksOf(chain.options, 'link');
  const errors = linksOf(chain.options, 'link_error');
  const tasks = prepared(tasksOf(chain), rules);
  return tasks.map((task, index) => {
    const own = index === tasks.length - 1 ? links.reduce(linked, task) : task;
    return errors.reduce((step, error) => errorLinked(step, error, rules), own);
  });
}

function chainStart(chain: WireSignature, start: Start, later: readonly Frozen[]): Start {
  const handed = handedOn(chain, start);
  return { ...handed, chain: [...handed.chain, ...later.map((step) => step.signature).toReversed()] };
}

function frozenGroup(given: WireSignature, around: Place, planning: Planning): Frozen {
  const { start } = around;
  const handed = start && handedOn(given, start);
  // Steps that follow a group wait for all of it.
  if (handed !== undefined && handed.chain.length > 0) {
    const group = { ...given, options: without(given.options, 'chain') };
    return frozen(
      chordBefore(group, handed.chain.toReversed()),
      { ...around, start: { ...start, chain: [] } as Start },
      planning,
    );
  }
  const place = placeOf(given, around);
  const id = textOption(given.options, 'task_id') ?? place.id ?? planning.newId();
  const groupId = place.groupId ?? (start === undefined ? undefined : id);
  const linkedGroup = start === undefined ? given : withGroupLinks(given, planning.rules);
  const members: Frozen[] = [];
  let index = place.index ?? 0;
  for (const task of flatTasks(linkedGroup)) {
    const member = frozen(task, { groupId, chord: place.chord, index, start: handed }, planning);
    members.push(member);
    index += member.size;
  }
  const signature = {
    ...withKwargs(given, { tasks: members.map((member) => member.signature) }),
    options: { ...without(given.options, 'chord'), task_id: id },
  };
  const nodes = members.flatMap((member) => member.node ?? []);
  const size = members.reduce((sum, member) => sum + member.size, 0);
  return { signature, node: { id, members: nodes }, size, children: [{ id, members: nodes.map(childOf) }] };
}

function childOf({ id, members }: ResultNode): SentChild {
  return members === undefined ? { id } : { id, members: members.map(childOf) };
}

function withGroupLinks(group: WireSignature, rules: LinkRules): WireSignature {
  const { options } = group;
  const own = linksOf(options, 'link').reduce(linked, group);
  return linksOf(options, 'link_error').reduce((whole, error) => errorLinked(whole, error, rules), own);
}

function frozenChord(given: WireSignature, around: Place, planning: Planning): Frozen {
  const chord = settledChord(given, planning.rules);
  const place = placeOf(chord, around);
  const header = headerOf(chord);
  const id = textOption(header.options, 'task_id') ?? planning.newId();
  const body = bodyOf(chord);
  if (body === undefined) {
    throw new ConfigurationError(
      'A chord without a body was to be started: give it one, chord(header, body), or send its header as a group.',
    );
  }
  const { start } = around;
  const handed = start && handedOn(chord, start);
  const named = textOption(chord.options, 'task_id');
  const bodyPlace: Place = { ...place, id: place.id ?? (named === id ? undefined : named), start: undefined };
  if (flatTasks(header).length === 0 && handed !== undefined) return bodyAlone(chord, body, bodyPlace, handed, planning);
  const ended = frozenBody(body, bodyPlace, id, handed, planning);
  const headed = frozen(withOptions(header, { task_id: id }), headerPlace(id, ended.signature, handed), planning);
  if (handed !== undefined) planning.openings.push(openingOf(id, headed, ended.signature, planning));
  const signature = {
    ...withKwargs(chord, { header: headed.signature, body: ended.signature }),
    options: { ...chord.options, task_id: id },
  };
  return { signature, node: behind(ended.node, headed.node), size: ended.size, children: headed.children };
}

/** Members of a header that does not start yet are told of their chord by whoever starts it: their copies of the body would only weigh. */
function headerPlace(id: string, body: WireSignature, start: Start | undefined): Place {
  if (start === undefined) return { index: 0 };
  return { groupId: id, chord: body, index: 0, start: { ...start, chain: [] } };
}

/** Options of a chord's call that delay its header only. */
const DELAYS = ['countdown', 'eta'] as const;

/** A body goes on with what follows the chord, and has the chord's options. */
function frozenBody(given: WireSignature, place: Place, groupId: string, start: Start | undefined, planning: Planning): Frozen {
  if (start === undefined) return frozen(given, place, planning);
  const { rootId, parentId, chain } = start;
  const own = linksOf(given.options, 'chain');
  const body = mergeSignature(given, [], {}, without(start.options, ...DELAYS));
  const ids = {
    ...(rootId === undefined ? {} : { root_id: rootId }),
    ...(parentId === undefined ? {} : { parent_id: parentId }),
    ...(chain.length + own.length === 0 ? {} : { chain: [...chain, ...own] }),
  };
  return frozen(withOptions(body, ids), { ...place, groupId: place.groupId ?? groupId }, planning);
}

/** Nothing to wait for: the body starts at once, with no results. */
function bodyAlone(chord: WireSignature, body: WireSignature, place: Place, start: Start, planning: Planning): Frozen {
  const made = frozen(body, { ...place, start: { ...start, args: [[]], kwargs: {} } }, planning);
  return { ...made, signature: withKwargs(chord, { body: made.signature }) };
}

function openingOf(groupId: string, header: Frozen, body: WireSignature, { expires }: Planning): ChordOpening {
  const members = header.node?.members ?? [];
  return {
    groupId,
    size: header.size,
    body,
    header: resultTuple({ id: groupId, members }),
    nested: members.some((member) => member.members !== undefined),
    expires,
  };
}
