// Stamps: labels of the user's that travel with a task. A visitor walks over a canvas and says what each part is stamped with; what it
// gives at the start of a container, all its members get.
import { isRecord, type WireSignature } from '../protocol/index.ts';
import type { Stamps, StampVisitor } from '../task/index.ts';
import { bodyOf, headerOf, kindOf, linksOf, stampNames, tasksOf, withKwargs, withOptions } from './wire.ts';

/** Values on their way down, and which of them are stamps; the others become plain options. */
interface Headers {
  readonly values: Readonly<Record<string, unknown>>;
  readonly names: readonly string[];
}

interface Walk {
  readonly visitor: StampVisitor | undefined;
  readonly append: boolean;
}

const NOTHING: Headers = { values: {}, names: [] };

/** What a visitor gives, or a user: with the key `stamped_headers` only those it lists are stamps, else all. */
function headersOf(given: Stamps | undefined): Headers {
  if (given === undefined) return NOTHING;
  const { stamped_headers: listed, ...values } = given;
  return { values, names: Array.isArray(listed) ? stampNames(given) : Object.keys(values) };
}

const asStamps = ({ values, names }: Headers): Stamps => (names.length === 0 ? values : { ...values, stamped_headers: names });

/** Newer over older: replaced, or, with `append`, both in a list with the newer first. Mappings are merged. */
function merged(newer: unknown, older: unknown, append: boolean): unknown {
  if (isRecord(newer) && isRecord(older)) return mergedValues(newer, older, append);
  if (!append) return newer;
  return [...(Array.isArray(newer) ? newer : [newer]), ...(Array.isArray(older) ? older : [older])];
}

function mergedValues(newer: Headers['values'], older: Headers['values'], append: boolean): Record<string, unknown> {
  const both: Record<string, unknown> = { ...older };
  for (const [name, value] of Object.entries(newer)) {
    both[name] = Object.hasOwn(older, name) ? merged(value, older[name], append) : value;
  }
  return both;
}

function over(newer: Headers, older: Headers, append: boolean): Headers {
  return {
    values: mergedValues(newer.values, older.values, append),
    names: [...new Set([...newer.names, ...older.names])],
  };
}

/** The signature with its stamps, and all in it with theirs. */
export function stamped(signature: WireSignature, stamps: Stamps | StampVisitor, append: boolean): WireSignature {
  const isVisitor = typeof (stamps as Partial<StampVisitor>).onSignature === 'function';
  const walk: Walk = { visitor: isVisitor ? (stamps as StampVisitor) : undefined, append };
  return visit(signature, isVisitor ? NOTHING : headersOf(stamps as Stamps), walk);
}

function visit(signature: WireSignature, headers: Headers, walk: Walk): WireSignature {
  switch (kindOf(signature)) {
    case 'task':
      return visitTask(signature, headers, walk);
    case 'chain':
      return visitMembers(signature, headers, walk, 'onChainStart', 'onChainEnd');
    case 'group':
      return visitMembers(signature, headers, walk, 'onGroupStart', 'onGroupEnd');
    case 'chord':
      return visitChord(signature, headers, walk);
  }
}

function visitTask(given: WireSignature, headers: Headers, walk: Walk): WireSignature {
  const { visitor, append } = walk;
  const signature = visitLinks(given, headers, walk);
  const own = over(headersOf(visitor?.onSignature(signature, asStamps(headers))), headers, append);
  const known = stampNames(signature.options);
  const older = { values: Object.fromEntries(known.map((name) => [name, signature.options[name]])), names: known };
  const { values, names } = over(own, older, append);
  return names.length === 0 && Object.keys(values).length === 0
    ? signature
    : withOptions(signature, { ...values, stamped_headers: names });
}

function visitLinks(signature: WireSignature, headers: Headers, walk: Walk): WireSignature {
  const { visitor, append } = walk;
  const walkOver = (option: 'link' | 'link_error', hook: 'onCallback' | 'onErrback'): WireSignature[] =>
    linksOf(signature.options, option).map((link) =>
      visit(link, over(headersOf(visitor?.[hook]?.(link, asStamps(headers))), headers, append), walk),
    );
  const link = walkOver('link', 'onCallback');
  const errors = walkOver('link_error', 'onErrback');
  if (link.length + errors.length === 0) return signature;
  return withOptions(signature, {
    ...(link.length === 0 ? {} : { link }),
    ...(errors.length === 0 ? {} : { link_error: errors }),
  });
}

function visitMembers(
  given: WireSignature,
  outer: Headers,
  walk: Walk,
  start: 'onChainStart' | 'onGroupStart',
  end: 'onChainEnd' | 'onGroupEnd',
): WireSignature {
  const { visitor, append } = walk;
  const headers = over(headersOf(visitor?.[start]?.(given, asStamps(outer))), outer, append);
  const signature = visitLinks(given, headers, walk);
  const made = withKwargs(signature, { tasks: tasksOf(signature).map((task) => visit(task, headers, walk)) });
  visitor?.[end]?.(made, asStamps(headers));
  return made;
}

function visitChord(given: WireSignature, outer: Headers, walk: Walk): WireSignature {
  const { visitor, append } = walk;
  const group = headerOf(given);
  const begun =
    visitor?.onChordHeaderStart === undefined
      ? visitor?.onGroupStart?.(group, asStamps(outer))
      : visitor.onChordHeaderStart(given, asStamps(outer));
  const headers = over(headersOf(begun), outer, append);
  const signature = visitLinks(given, headers, walk);
  const tasks = tasksOf(group).map((task) => visit(task, headers, walk));
  const isList = Array.isArray(signature.kwargs.header);
  const made = withKwargs(signature, { header: isList ? tasks : withKwargs(group, { tasks }) });
  if (visitor?.onChordHeaderStart === undefined) visitor?.onGroupEnd?.(withKwargs(group, { tasks }), asStamps(headers));
  visitor?.onChordHeaderEnd?.(made, asStamps(headers));
  const body = bodyOf(made);
  if (body === undefined) return made;
  const own = over(headersOf(visitor?.onChordBody?.(made, asStamps(headers))), headers, append);
  return withKwargs(made, { body: visit(body, own, walk) });
}
