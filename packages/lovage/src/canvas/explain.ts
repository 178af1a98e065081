// A canvas as a picture: who runs when, who waits for whom, and, where its ids are fixed and results are there, how each part stands.
import type { WireSignature } from '../protocol/index.ts';
import type { SignatureLike } from '../task/index.ts';
import { hostOf } from './canvas.ts';
import { reprOf } from './repr.ts';
import { bodyOf, headerOf, kindOf, linksOf, tasksOf, textOption } from './wire.ts';

/** How the tasks of a canvas stand, by id. */
export type States = ReadonlyMap<string, string>;

/** A task in a picture. */
export interface ExplainedTask {
  /** The call: `add(1, 2)`. */
  readonly text: string;
  /** Its id, where it is fixed. */
  readonly id: string | undefined;
  readonly state: string | undefined;
}

/** Who follows whom: by their places in `tasks`. */
export interface ExplainedEdge {
  readonly from: number;
  readonly to: number;
  /** `next` in a chain, or from a header to its body; callbacks and errbacks by the names of their options. */
  readonly kind: 'next' | 'link' | 'linkError';
}

/** A canvas explained. */
export interface Explanation {
  /** In the order in which they are written down. */
  readonly tasks: readonly ExplainedTask[];
  readonly edges: readonly ExplainedEdge[];
  /** A tree of lines. */
  toText(): string;
  /** For Mermaid, as Markdown pages show it. */
  toMermaid(): string;
  /** For Graphviz. */
  toDot(): string;
}

/** What a canvas does, as a picture. Give the states of its tasks (`statesOf`) to see how they stand. Throws InvalidTaskError for parts that are no signatures. */
export function explain(signature: SignatureLike, states: States = new Map()): Explanation {
  const wire = signature.toWire();
  const drawing: Drawing = { tasks: [], edges: [], states };
  draw(wire, drawing);
  const { tasks, edges } = drawing;
  return {
    tasks,
    edges,
    toText: () => lines(wire, states).join('\n'),
    toMermaid: () => mermaid(tasks, edges),
    toDot: () => dot(tasks, edges),
  };
}

/** How the tasks of a canvas stand now, by one read each; those whose ids are not fixed (see `freeze`) are left out. */
export async function statesOf(signature: SignatureLike): Promise<States> {
  const ids = explain(signature).tasks.flatMap(({ id }) => id ?? []);
  const results = hostOf([signature])?.environment().results;
  if (results === undefined) return new Map();
  return new Map(await Promise.all(ids.map(async (id) => [id, await results.result(id).state()] as const)));
}

interface Drawing {
  readonly tasks: ExplainedTask[];
  readonly edges: ExplainedEdge[];
  readonly states: States;
}

/** Where a part begins and where it ends. */
interface Ends {
  readonly first: readonly number[];
  readonly last: readonly number[];
}

const NOWHERE: Ends = { first: [], last: [] };

function draw(signature: WireSignature, drawing: Drawing): Ends {
  const ends = drawPart(signature, drawing);
  for (const [option, kind] of LINKS) {
    for (const link of linksOf(signature.options, option)) connect(ends.last, draw(link, drawing).first, kind, drawing);
  }
  return ends;
}

const LINKS = [
  ['link', 'link'],
  ['link_error', 'linkError'],
] as const;

function connect(from: readonly number[], to: readonly number[], kind: ExplainedEdge['kind'], { edges }: Drawing): void {
  for (const one of from) for (const other of to) edges.push({ from: one, to: other, kind });
}

function drawPart(signature: WireSignature, drawing: Drawing): Ends {
  switch (kindOf(signature)) {
    case 'task': {
      const at = drawing.tasks.push(taskOf(signature, drawing.states)) - 1;
      return { first: [at], last: [at] };
    }
    case 'chain':
      return drawChain(tasksOf(signature), drawing);
    case 'group':
      return drawGroup(tasksOf(signature), drawing);
    case 'chord': {
      const body = bodyOf(signature);
      return drawChain(body === undefined ? [headerOf(signature)] : [headerOf(signature), body], drawing);
    }
  }
}

function drawChain(steps: readonly WireSignature[], drawing: Drawing): Ends {
  let all = NOWHERE;
  for (const step of steps) {
    const ends = draw(step, drawing);
    if (ends.first.length === 0) continue;
    connect(all.last, ends.first, 'next', drawing);
    all = { first: all.first.length === 0 ? ends.first : all.first, last: ends.last };
  }
  return all;
}

function drawGroup(members: readonly WireSignature[], drawing: Drawing): Ends {
  const parts = members.map((member) => draw(member, drawing));
  return { first: parts.flatMap(({ first }) => first), last: parts.flatMap(({ last }) => last) };
}

function taskOf(signature: WireSignature, states: States): ExplainedTask {
  const id = textOption(signature.options, 'task_id');
  return { text: reprOf(signature), id, state: id === undefined ? undefined : states.get(id) };
}

// The tree of lines.

interface Branch {
  readonly text: string;
  readonly inner: readonly Branch[];
}

function branchOf(signature: WireSignature, states: States): Branch {
  const links = LINKS.flatMap(([option, kind]) =>
    linksOf(signature.options, option).map((link) => named(kind, branchOf(link, states))),
  );
  const inner = innerOf(signature, states);
  if (inner !== undefined) return { text: kindOf(signature), inner: [...inner, ...links] };
  const { text, state } = taskOf(signature, states);
  return { text: state === undefined ? text : `${text}  ${state}`, inner: links };
}

function innerOf(signature: WireSignature, states: States): readonly Branch[] | undefined {
  const kind = kindOf(signature);
  if (kind === 'task') return undefined;
  if (kind !== 'chord') return tasksOf(signature).map((task) => branchOf(task, states));
  const body = bodyOf(signature);
  const header = { text: 'header', inner: tasksOf(headerOf(signature)).map((task) => branchOf(task, states)) };
  return body === undefined ? [header] : [header, named('body', branchOf(body, states))];
}

const named = (name: string, { text, inner }: Branch): Branch => ({ text: `${name}: ${text}`, inner });

function lines(signature: WireSignature, states: States): readonly string[] {
  const tree = ({ text, inner }: Branch): string[] => [
    text,
    ...inner.flatMap((branch, index) => {
      const isLast = index === inner.length - 1;
      const [first = '', ...others] = tree(branch);
      return [`${isLast ? '└─' : '├─'} ${first}`, ...others.map((line) => `${isLast ? '  ' : '│ '} ${line}`)];
    }),
  ];
  return tree(branchOf(signature, states));
}

// The graphs.

const COLOURS: Readonly<Record<string, string>> = { SUCCESS: 'palegreen3', FAILURE: 'indianred1', REVOKED: 'plum' };

const labelOf = ({ text, state }: ExplainedTask): readonly string[] => (state === undefined ? [text] : [text, state]);

function dot(tasks: readonly ExplainedTask[], edges: readonly ExplainedEdge[]): string {
  const quoted = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', ' ');
  const shapes = tasks.map((task, index) => {
    const colour = COLOURS[task.state ?? ''];
    const fill = colour === undefined ? '' : `, style="filled", fillcolor="${colour}"`;
    return `  t${index} [label="${labelOf(task).map(quoted).join('\\n')}"${fill}];`;
  });
  const arrows = edges.map(
    ({ from, to, kind }) => `  t${from} -> t${to}${kind === 'next' ? '' : ` [label="${kind}", style="dashed"]`};`,
  );
  return ['digraph canvas {', '  node [shape="box"];', ...shapes, ...arrows, '}'].join('\n');
}

function mermaid(tasks: readonly ExplainedTask[], edges: readonly ExplainedEdge[]): string {
  const quoted = (text: string): string =>
    text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\n', ' ');
  const shapes = tasks.map((task, index) => `  t${index}["${labelOf(task).map(quoted).join('<br>')}"]`);
  const arrows = edges.map(({ from, to, kind }) => `  t${from} ${kind === 'next' ? '-->' : `-. ${kind} .->`} t${to}`);
  return ['flowchart LR', ...shapes, ...arrows].join('\n');
}
