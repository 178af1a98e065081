// Canvases as the wire has them: plain signatures whose `kwargs` hold others. Everything in this room computes on them; what cannot be a
// canvas is refused here, with a sentence that says what was found.
import { isRecord, parseSignature, type WireSignature } from '../protocol/index.ts';
import { ConfigurationError, didYouMean } from '../util/index.ts';

/** What a signature is. map, starmap and chunks are tasks: the wire knows no type of theirs. */
export type Kind = 'task' | 'chain' | 'group' | 'chord';

type Options = Readonly<Record<string, unknown>>;
type Kwargs = Readonly<Record<string, unknown>>;

const KINDS: Readonly<Record<string, Kind>> = {
  chain: 'chain',
  group: 'group',
  chord: 'chord',
  // Names that Celery registers too, although it never writes them.
  xmap: 'task',
  xstarmap: 'task',
  chunks: 'task',
};

/** The key, unknown to Celery and ignored by it, of a group that was made of a list: its result stays a list even when it has one member. */
const WHOLE = 'lovage_whole';

/** Throws ConfigurationError for a type of signature that nobody knows. */
export function kindOf(signature: WireSignature): Kind {
  const type = signature.subtask_type;
  if (type === null || type === undefined) return 'task';
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind !== undefined) return kind;
  throw new ConfigurationError(
    `The signature of '${signature.task}' has the unknown type '${type}'.${didYouMean(type, Object.keys(KINDS))} Lovage knows chain, group and chord.`,
  );
}

/** A signature as it came, its missing keys filled in. Throws InvalidTaskError for what is none. */
export function signatureOf(value: unknown): WireSignature {
  return isWhole(value) ? value : parseSignature(value);
}

function isWhole(value: unknown): value is WireSignature {
  return (
    isRecord(value) &&
    typeof value.task === 'string' &&
    value.task !== '' &&
    Array.isArray(value.args) &&
    isRecord(value.kwargs) &&
    isRecord(value.options) &&
    typeof value.immutable === 'boolean' &&
    (value.subtask_type === null || typeof value.subtask_type === 'string')
  );
}

function signaturesOf(value: unknown, what: string): readonly WireSignature[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map(signatureOf);
  if (isRecord(value)) return [signatureOf(value)];
  throw new ConfigurationError(`The ${what} must be a list of signatures, not ${typeof value}.`);
}

/** The steps of a chain, the members of a group. */
export function tasksOf(signature: WireSignature): readonly WireSignature[] {
  return signaturesOf(signature.kwargs.tasks, `tasks of a ${signature.subtask_type}`);
}

/** The header of a chord as a group: a list before it is frozen, a group after. A chain is one member. */
export function headerOf(chord: WireSignature): WireSignature {
  const { header } = chord.kwargs;
  const single = isRecord(header) ? signatureOf(header) : undefined;
  if (single !== undefined && kindOf(single) === 'group') return single;
  return groupOf(single === undefined ? signaturesOf(header, 'header of a chord') : [single]);
}

/** The body of a chord; undefined when it has none (yet). */
export function bodyOf(chord: WireSignature): WireSignature | undefined {
  const { body } = chord.kwargs;
  return body === null || body === undefined ? undefined : signatureOf(body);
}

function make(task: string, subtask_type: Kind | null, kwargs: Kwargs, immutable = false): WireSignature {
  return { task, args: [], kwargs, options: {}, subtask_type, immutable };
}

export function taskOf(task: string, args: readonly unknown[], kwargs: Kwargs = {}, options: Options = {}): WireSignature {
  return { task, args, kwargs, options, subtask_type: null, immutable: false };
}

export function chainOf(tasks: readonly WireSignature[]): WireSignature {
  return make('celery.chain', 'chain', { tasks });
}

export function groupOf(tasks: readonly WireSignature[]): WireSignature {
  return make('celery.group', 'group', { tasks });
}

/** A group whose length its author did not write down: one member does not make it that member. */
export function groupOfList(tasks: readonly WireSignature[]): WireSignature {
  const group = groupOf(tasks);
  return tasks.length === 1 ? { ...group, [WHOLE]: true } : group;
}

/** A header is written as a list, as long as its group says nothing of its own. */
export function chordOf(header: WireSignature, body: WireSignature | undefined): WireSignature {
  const bare = kindOf(header) === 'group' && Object.keys(header.options).length === 0 && header.args.length === 0;
  const written = kindOf(header) !== 'group' ? [header] : bare ? tasksOf(header) : header;
  return make('celery.chord', 'chord', { kwargs: {}, header: written, body: body ?? null });
}

const listOf = (items: Iterable<unknown>): readonly unknown[] => Array.from(items);

export function mapOf(task: WireSignature, items: Iterable<unknown>): WireSignature {
  return make('celery.map', null, { task, it: listOf(items) }, true);
}

export function starmapOf(task: WireSignature, items: Iterable<unknown>): WireSignature {
  return make('celery.starmap', null, { task, it: listOf(items) }, true);
}

/** Throws ConfigurationError when `size` is no whole number above 0. */
export function chunksOf(task: WireSignature, items: Iterable<unknown>, size: number): WireSignature {
  if (!Number.isInteger(size) || size < 1) {
    throw new ConfigurationError(`Chunks of '${task.task}' need a size of 1 or more items, not ${String(size)}.`);
  }
  return make('celery.chunks', null, { task, it: listOf(items), n: size }, true);
}

/** The group of starmaps that chunks stand for. */
export function chunkGroup(chunks: WireSignature): WireSignature {
  const { task, it, n } = chunks.kwargs;
  const size = typeof n === 'number' && n >= 1 ? Math.floor(n) : 1;
  const items = Array.isArray(it) ? (it as readonly unknown[]) : [];
  const parts = Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    starmapOf(signatureOf(task), items.slice(index * size, (index + 1) * size)),
  );
  return { ...groupOfList(parts), options: chunks.options };
}

/** Is it a signature of chunks, which whoever starts it sends as a group? */
export function isChunks(signature: WireSignature): boolean {
  return signature.task === 'celery.chunks' && kindOf(signature) === 'task';
}

/** A signature as a part of another: chunks are their group, which has a result that can be used. */
export function asPart(signature: WireSignature): WireSignature {
  return isChunks(signature) ? chunkGroup(signature) : signature;
}

/** The same signature with other parts. */
export function withKwargs(signature: WireSignature, kwargs: Kwargs): WireSignature {
  return { ...signature, kwargs: { ...signature.kwargs, ...kwargs } };
}

export function withOptions(signature: WireSignature, options: Options): WireSignature {
  return { ...signature, options: { ...signature.options, ...options } };
}

/** The same signature without some of its options. */
export function without(options: Options, ...names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}

/** One member, if this group is no more than that. */
export function onlyMember(group: WireSignature): WireSignature | undefined {
  if (kindOf(group) !== 'group' || group[WHOLE] === true) return undefined;
  const tasks = tasksOf(group);
  const [only] = tasks;
  return tasks.length === 1 && only !== undefined ? merged(only, group) : undefined;
}

/** Members in order, those of nested groups in their place. */
export function flatTasks(group: WireSignature): readonly WireSignature[] {
  return tasksOf(group).flatMap((task) => {
    if (isChunks(task)) return [task];
    return kindOf(task) === 'group' ? flatTasks(task).map((inner) => merged(inner, task)) : [task];
  });
}

/** A member with what its group gives to all: arguments first, options over its own. */
function merged(member: WireSignature, group: WireSignature): WireSignature {
  const options = without(group.options, 'task_id', 'group_id', 'group_index', 'chord', 'root_id', 'parent_id');
  if (group.args.length === 0 && Object.keys(options).length === 0) return member;
  return mergeSignature(member, group.args, {}, options);
}

/** Celery's partial merge: given arguments first, given options over the stored ones, but for a group and stamps that are there already. */
export function mergeSignature(
  signature: WireSignature,
  args: readonly unknown[],
  kwargs: Kwargs = {},
  options: Options = {},
): WireSignature {
  const merged = { ...signature, options: mergeWireOptions(signature.options, options) };
  if (signature.immutable) return merged;
  return {
    ...merged,
    args: args.length === 0 ? signature.args : [...args, ...signature.args],
    kwargs: Object.keys(kwargs).length === 0 ? signature.kwargs : { ...signature.kwargs, ...kwargs },
  };
}

/** Options of a signature under those of its call. A `group_id`, and stamps that have a value, stay as they are; a value of null is no value. */
export function mergeWireOptions(stored: Options, given: Options): Options {
  const names = Object.keys(given).filter((name) => given[name] !== null && given[name] !== undefined);
  if (names.length === 0) return stored;
  const stamps = stampNames(stored);
  const merged: Record<string, unknown> = { ...stored };
  for (const name of names) {
    if (name === 'group_id' && typeof stored.group_id === 'string') continue;
    if (stamps.includes(name) && name in stored) continue;
    merged[name] = name === 'stamped_headers' ? [...new Set([...stamps, ...stampNames(given)])] : given[name];
  }
  return merged;
}

/** The names of the stamps that options carry. */
export function stampNames(options: Options): readonly string[] {
  const names = options.stamped_headers;
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
}

/** A text option, if it is there and not empty. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A list of signatures in the options of another: `link`, `link_error`, `chain`. One signature is a list of one. */
export function linksOf(options: Options, name: string): readonly WireSignature[] {
  return signaturesOf(options[name], `option ${name}`);
}
