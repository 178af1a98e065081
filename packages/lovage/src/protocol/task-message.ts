// The task message, written: 19 headers in Celery's order and the body of three parts (protocol 2), or all in the body (protocol 1).
import type { Embed, TaskMessageFields } from './request.ts';
import type { WireSignature } from './signature.ts';

/** An embed with nothing in it. */
export const EMPTY_EMBED: Embed = { callbacks: null, errbacks: null, chain: null, chord: null };

/** The headers of a task message. `lang` is always ours; user headers come last and may overwrite any. */
export function writeTaskHeaders(fields: TaskMessageFields): Record<string, unknown> {
  return {
    lang: 'js',
    task: fields.task,
    id: fields.id,
    shadow: fields.shadow ?? null,
    eta: fields.eta ?? null,
    expires: fields.expires ?? null,
    group: fields.group ?? null,
    group_index: fields.groupIndex ?? null,
    retries: fields.retries,
    timelimit: [fields.timeLimit ?? null, fields.softTimeLimit ?? null],
    root_id: fields.rootId,
    parent_id: fields.parentId ?? null,
    argsrepr: fields.argsRepr,
    kwargsrepr: fields.kwargsRepr,
    origin: fields.origin ?? null,
    ignore_result: fields.ignoreResult ?? false,
    replaced_task_nesting: fields.replacedTaskNesting,
    stamped_headers: fields.stampedHeaders ?? null,
    stamps: fields.stamps,
    ...fields.headers,
  };
}

/** The body of protocol 2: `[args, kwargs, embed]`. */
export function writeTaskBody(
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  embed: Embed = EMPTY_EMBED,
): unknown[] {
  const { callbacks, errbacks, chain, chord } = embed;
  return [args, kwargs, { callbacks, errbacks, chain, chord }];
}

/** Protocol 1 has no chain: the next task is one more callback, which carries the rest as its own `link`. */
function chainAsLinks(embed: Embed): readonly WireSignature[] | null {
  let next: WireSignature | undefined;
  // The first element of a wire chain is its last task.
  for (const signature of embed.chain ?? []) {
    const { link } = signature.options;
    const links = [
      ...(Array.isArray(link) ? link : link === undefined || link === null ? [] : [link]),
      ...(next === undefined ? [] : [next]),
    ];
    next = links.length === 0 ? signature : { ...signature, options: { ...signature.options, link: links } };
  }
  return next === undefined ? embed.callbacks : [...(embed.callbacks ?? []), next];
}

/** The body of protocol 1, whose headers are empty. `utc`: times without an offset are UTC. */
export function writeProtocol1(
  fields: TaskMessageFields,
  options: { readonly utc: boolean } = { utc: true },
): Record<string, unknown> {
  return {
    task: fields.task,
    id: fields.id,
    args: fields.args,
    kwargs: fields.kwargs,
    group: fields.group ?? null,
    group_index: fields.groupIndex ?? null,
    retries: fields.retries,
    eta: fields.eta ?? null,
    expires: fields.expires ?? null,
    utc: options.utc,
    callbacks: chainAsLinks(fields.embed),
    errbacks: fields.embed.errbacks,
    timelimit: [fields.timeLimit ?? null, fields.softTimeLimit ?? null],
    taskset: fields.group ?? null,
    chord: fields.embed.chord,
  };
}
