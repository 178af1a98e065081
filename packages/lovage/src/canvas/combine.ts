// `a.pipe(b)`: what follows what, for every pair of kinds. The table is Celery's operator `|`; no operand is changed.
import type { WireSignature } from '../protocol/index.ts';
import { type LinkRules, settledChord, unchained } from './link.ts';
import { bodyOf, chainOf, chordOf, kindOf, onlyMember, tasksOf, withKwargs, without } from './wire.ts';

const isEmptyGroup = (signature: WireSignature): boolean => kindOf(signature) === 'group' && tasksOf(signature).length === 0;

/** What runs `left` and hands its result to `right`. */
export function combined(left: WireSignature, right: WireSignature, rules: LinkRules): WireSignature {
  switch (kindOf(left)) {
    case 'task':
      return afterTask(left, right, rules);
    case 'chain':
      return afterChain(left, right, rules);
    case 'group':
      // An empty group adds nothing to a group.
      return isEmptyGroup(right) ? left : chordOf(left, right);
    case 'chord':
      return afterChord(left, right, rules);
  }
}

function afterTask(left: WireSignature, right: WireSignature, rules: LinkRules): WireSignature {
  if (kindOf(right) === 'chain') return chainOf([left, ...unchained(right, rules)]);
  return chainOf([left, onlyMember(right) ?? right]);
}

/** A chain that grows: what was linked to its end stays where its end was, and its id is no longer that of its last step. */
function growing(chain: WireSignature, rules: LinkRules): WireSignature {
  const options = without(chain.options, 'link', 'link_error', 'task_id');
  return { ...withKwargs(chain, { tasks: unchained(chain, rules) }), options };
}

function afterChain(chain: WireSignature, right: WireSignature, rules: LinkRules): WireSignature {
  const left = growing(chain, rules);
  const steps = tasksOf(left);
  const last = steps.at(-1);
  if (kindOf(right) === 'chain') {
    const added = unchained(right, rules);
    // Member by member, so that groups and chords on both sides find each other.
    if (last === undefined) return withKwargs(left, { tasks: added });
    return added.length === 0 ? chain : added.reduce((whole, step) => combined(whole, step, rules), left);
  }
  const next = onlyMember(right) ?? right;
  if (last === undefined) return kindOf(next) === 'group' ? next : withKwargs(left, { tasks: [next] });
  const before = steps.slice(0, -1);
  if (kindOf(next) !== 'group' && kindOf(last) === 'group') return withKwargs(left, { tasks: closed(before, last, next, rules) });
  if (kindOf(next) !== 'chord' && kindOf(last) === 'chord') {
    return withKwargs(left, { tasks: [...before, continued(last, next, rules)] });
  }
  return withKwargs(left, { tasks: [...steps, next] });
}

/** A group in a chain gets a body; a chord right before it takes both into its own. */
function closed(
  before: readonly WireSignature[],
  group: WireSignature,
  body: WireSignature,
  rules: LinkRules,
): readonly WireSignature[] {
  const chord = chordOf(group, body);
  const previous = before.at(-1);
  if (previous === undefined || kindOf(previous) !== 'chord') return [...before, chord];
  return [...before.slice(0, -1), continued(previous, chord, rules)];
}

function afterChord(left: WireSignature, right: WireSignature, rules: LinkRules): WireSignature {
  const next = onlyMember(right) ?? right;
  if (kindOf(next) === 'chain') return chainOf([left, ...unchained(next, rules)]);
  if (kindOf(next) === 'group') return chainOf([left, next]);
  return continued(left, next, rules);
}

/** The chord whose body goes on with `next`. */
function continued(given: WireSignature, next: WireSignature, rules: LinkRules): WireSignature {
  const chord = settledChord(given, rules);
  const body = bodyOf(chord);
  return withKwargs(chord, { body: body === undefined ? next : combined(body, next, rules) });
}

/** What a list of steps makes, piped one after the other from an empty chain. Tasks behind tasks are put there together: a chain is copied once, not once for each. */
export function chained(steps: readonly WireSignature[], rules: LinkRules): WireSignature {
  let made = chainOf([]);
  let tail: WireSignature[] = [];
  for (const step of steps) {
    const next = onlyMember(step) ?? step;
    if (kindOf(next) === 'task' && (tail.length > 0 || endsInTask(made))) tail.push(next);
    else {
      made = combined(grown(made, tail), step, rules);
      tail = [];
    }
  }
  return grown(made, tail);
}

function endsInTask(signature: WireSignature): boolean {
  if (kindOf(signature) !== 'chain') return false;
  const last = tasksOf(signature).at(-1);
  return last === undefined || kindOf(last) === 'task';
}

function grown(chain: WireSignature, tail: readonly WireSignature[]): WireSignature {
  return tail.length === 0 ? chain : withKwargs(chain, { tasks: [...tasksOf(chain), ...tail] });
}

/** The steps of a chain as they are sent: nested chains in their place, groups of one unrolled, a group with a step behind it as a chord, empty groups left out. */
export function prepared(tasks: readonly WireSignature[], rules: LinkRules): readonly WireSignature[] {
  const flat = spliced(tasks, rules);
  const kept = flat.filter((task) => !isEmptyGroup(task));
  const steps: WireSignature[] = [];
  for (const task of (kept.length === 0 ? flat.slice(0, 1) : kept).toReversed()) {
    const following = kindOf(task) === 'group' ? steps.pop() : undefined;
    steps.push(following === undefined ? task : chordOf(task, following));
  }
  return steps.reverse();
}

function spliced(tasks: readonly WireSignature[], rules: LinkRules): readonly WireSignature[] {
  return tasks.flatMap((task) => {
    const single = onlyMember(task) ?? task;
    if (kindOf(single) !== 'chain') return [single];
    const [first, ...others] = spliced(unchained(single, rules), rules);
    if (first === undefined) return [];
    const args = single.immutable || single.args.length === 0 || first.immutable ? first.args : [...single.args, ...first.args];
    return [{ ...first, args }, ...others];
  });
}

/** The chord that a group becomes when steps follow it, nearest first. */
export function chordBefore(group: WireSignature, steps: readonly WireSignature[]): WireSignature {
  const [only] = steps;
  return chordOf(group, steps.length === 1 && only !== undefined ? only : chainOf(steps));
}
