// The headers of calls without options of their own: those of one plan differ in ids and in the texts of their arguments only, so they
// are made once, as an object and as JSON text cut at the places of these. prepare.ts makes and fills them (bench row redis-enqueue-bulk).
import { escaped, quoted, uuid } from '../util/index.ts';

/** What differs from call to call, in the order in which the headers have it. */
export interface Differences {
  readonly id: string;
  readonly group: string | undefined;
  readonly groupIndex: number | undefined;
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly argsRepr: string;
  readonly kwargsRepr: string;
}

/** The headers of one kind of call. */
export interface HeaderTemplate {
  readonly headers: Readonly<Record<string, unknown>>;
  /** Text between the places of the differences, before the first and after the last. */
  readonly pieces: readonly [string, string, string, string, string, string, string, string];
  /** The same, quotes included, for a call in no group and of no parent: between id, root, args and kwargs. */
  readonly alone: readonly [string, string, string, string, string];
}

/** Stand in the places of the differences while a template is made. */
const makePlaces = () =>
  ({
    id: uuid(),
    group: uuid(),
    // Written as it is, like the others; no call has a text here.
    groupIndex: uuid() as unknown as number,
    rootId: uuid(),
    parentId: uuid(),
    argsRepr: uuid(),
    kwargsRepr: uuid(),
  }) satisfies Differences;

/** The template of what `write` makes of any differences; undefined when they do not stand in their order, each once. */
export function makeTemplate(write: (differences: Differences) => Record<string, unknown>): HeaderTemplate | undefined {
  const differences = makePlaces();
  const headers = write(differences);
  const quotedPlaces = Object.values(differences).map((place) => `"${place}"`);
  const places = new RegExp(quotedPlaces.join('|'), 'g');
  const text = JSON.stringify(headers);
  // Each once, in their order.
  if (text.match(places)?.join() !== quotedPlaces.join()) return undefined;
  const pieces = text.split(places) as unknown as HeaderTemplate['pieces'];
  const [first, group, index, root, parent, args, kwargs, last] = pieces;
  const alone = [`${first}"`, `"${group}null${index}null${root}"`, `"${parent}null${args}"`, `"${kwargs}"`, `"${last}`] as const;
  return { headers, pieces, alone };
}

/** The headers of a call. */
export function fillHeaders({ headers }: HeaderTemplate, differences: Differences): Record<string, unknown> {
  // One by one, and not as a second object that is spread over the first: that one would be copied key by key.
  const filled: Record<string, unknown> = { ...headers };
  filled.id = differences.id;
  filled.group = differences.group ?? null;
  filled.group_index = differences.groupIndex ?? null;
  filled.root_id = differences.rootId;
  filled.parent_id = differences.parentId ?? null;
  filled.argsrepr = differences.argsRepr;
  filled.kwargsrepr = differences.kwargsRepr;
  return filled;
}

/** The same as JSON. */
export function fillText({ pieces, alone }: HeaderTemplate, differences: Differences): string {
  const { id, group, groupIndex, rootId, parentId, argsRepr, kwargsRepr } = differences;
  const args = escaped(argsRepr);
  const kwargs = escaped(kwargsRepr);
  if (group === undefined && groupIndex === undefined && parentId === undefined) {
    const own = escaped(id);
    const root = rootId === id ? own : escaped(rootId);
    return `${alone[0]}${own}${alone[1]}${root}${alone[2]}${args}${alone[3]}${kwargs}${alone[4]}`;
  }
  const place = group === undefined ? 'null' : quoted(group);
  const parent = parentId === undefined ? 'null' : quoted(parentId);
  const member = `${pieces[0]}${quoted(id)}${pieces[1]}${place}${pieces[2]}${groupIndex ?? 'null'}`;
  return `${member}${pieces[3]}${quoted(rootId)}${pieces[4]}${parent}${pieces[5]}"${args}"${pieces[6]}"${kwargs}"${pieces[7]}`;
}
