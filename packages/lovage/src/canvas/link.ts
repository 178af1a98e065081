// Who is called next, and who when something fails: the rules of `link` and `linkError` for every kind of signature.
import { isDeepStrictEqual } from 'node:util';
import type { WireSignature } from '../protocol/index.ts';
import { bodyOf, headerOf, kindOf, linksOf, tasksOf, withKwargs, withOptions, without } from './wire.ts';

/** What links depend on. */
export interface LinkRules {
  /** The errbacks of a chord are linked to the tasks of its header too (setting taskAllowErrorCbOnChordHeader). */
  readonly errorsOnHeader: boolean;
}

type Option = 'link' | 'link_error';

function added(signature: WireSignature, option: Option, next: WireSignature): WireSignature {
  const links = linksOf(signature.options, option);
  if (links.some((known) => isDeepStrictEqual(known, next))) return signature;
  return withOptions(signature, { [option]: [...links, next] });
}

const immutable = (signature: WireSignature): WireSignature => ({ ...signature, immutable: true });

/** `next` is called with the result. A group has none: Celery's rule is that its first member calls `next`, without an argument. A chord's body calls it. */
export function linked(signature: WireSignature, next: WireSignature): WireSignature {
  const kind = kindOf(signature);
  if (kind === 'task' || kind === 'chain') return added(signature, 'link', next);
  if (kind === 'group') {
    const [first, ...others] = tasksOf(signature);
    return first === undefined ? signature : withKwargs(signature, { tasks: [linked(first, immutable(next)), ...others] });
  }
  const body = bodyOf(signature);
  return body === undefined ? added(signature, 'link', next) : withKwargs(signature, { body: linked(body, next) });
}

/** `next` is called when it fails: every member of a group calls it, of a chord the body, and the header when the rules say so. */
export function errorLinked(signature: WireSignature, next: WireSignature, rules: LinkRules): WireSignature {
  const kind = kindOf(signature);
  if (kind === 'task' || kind === 'chain') return added(signature, 'link_error', next);
  if (kind === 'group') {
    return withKwargs(signature, { tasks: tasksOf(signature).map((task) => errorLinked(task, next, rules)) });
  }
  const body = bodyOf(signature);
  const header = headerOf(signature);
  const members = tasksOf(header).map((task) => headerLinked(task, next, rules));
  const same = members.every((member, index) => member === tasksOf(header)[index]);
  return withKwargs(signature, {
    ...(same ? {} : { header: Array.isArray(signature.kwargs.header) ? members : withKwargs(header, { tasks: members }) }),
    ...(body === undefined ? {} : { body: errorLinked(body, next, rules) }),
  });
}

/** A chord inside a header links in its own way, whatever the rules say of plain members. */
function headerLinked(task: WireSignature, next: WireSignature, rules: LinkRules): WireSignature {
  if (kindOf(task) === 'chord') return errorLinked(task, next, rules);
  return rules.errorsOnHeader ? errorLinked(task, immutable(next), rules) : task;
}

/** The steps of a chain, with what is linked to the chain linked to them: `link` to the last, `linkError` to each. */
export function unchained(chain: WireSignature, rules: LinkRules): readonly WireSignature[] {
  const links = linksOf(chain.options, 'link');
  const errors = linksOf(chain.options, 'link_error');
  const tasks = tasksOf(chain);
  if (links.length === 0 && errors.length === 0) return tasks;
  return tasks.map((task, index) => {
    const own = index === tasks.length - 1 ? links.reduce(linked, task) : task;
    return errors.reduce((step, error) => errorLinked(step, error, rules), own);
  });
}

/** A chord with what is linked to it as a container linked to its body. */
export function settledChord(chord: WireSignature, rules: LinkRules): WireSignature {
  const links = linksOf(chord.options, 'link');
  const errors = linksOf(chord.options, 'link_error');
  if (links.length === 0 && errors.length === 0) return chord;
  const bare = { ...chord, options: without(chord.options, 'link', 'link_error') };
  return errors.reduce((step, error) => errorLinked(step, error, rules), links.reduce(linked, bare));
}

/** The signature itself, then everything linked to it, and to those, in depth. */
export function flattened(signature: WireSignature): readonly WireSignature[] {
  const { options } = signature;
  return [signature, ...linksOf(options, 'link').flatMap(flattened), ...linksOf(options, 'link_error').flatMap(flattened)];
}
