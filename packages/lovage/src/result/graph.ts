// A tree of results as a graph: what was sent by what, and how each stands. Drawn as DOT (Graphviz) or Mermaid.
import type { AnyResult } from './handle.ts';
import type { ResultRecord } from './record.ts';
import { iterdeps } from './tree.ts';

export interface GraphOptions {
  /** Also take results that are not ready, without what they may still send; otherwise one throws IncompleteStreamError. @default false */
  readonly intermediate?: boolean;
}

export interface GraphNode {
  readonly id: string;
  readonly kind: 'task' | 'group';
  /** Of a group: SUCCESS when all members have it, else the first other state in their order. */
  readonly state: string;
  /** The task's name, with the setting `resultExtended`. */
  readonly name: string | undefined;
}

/** Results by id, and which sent which. */
export interface ResultGraph {
  /** In the order of the walk: breadth first. */
  readonly nodes: readonly GraphNode[];
  /** From the one that sent to what it sent, by their ids. */
  readonly edges: readonly (readonly [from: string, to: string])[];
  /** For Graphviz. */
  toDot(): string;
  /** For Mermaid, as Markdown pages show it. */
  toMermaid(): string;
}

/** Walks from `root` down. */
export async function buildGraph(root: AnyResult, options: GraphOptions = {}): Promise<ResultGraph> {
  const nodes: GraphNode[] = [];
  const edges: [string, string][] = [];
  for await (const [parent, result] of iterdeps(root, options)) {
    nodes.push(await nodeOf(result));
    if (parent !== undefined) edges.push([parent.id, result.id]);
  }
  return { nodes, edges, toDot: () => dot(nodes, edges), toMermaid: () => mermaid(nodes, edges) };
}

async function nodeOf(result: AnyResult): Promise<GraphNode> {
  const leaves = result.leaves();
  const records = await Promise.all(leaves.map(async (leaf): Promise<ResultRecord> => leaf.atHand ?? leaf.source.read(leaf.id)));
  const isTask = leaves.length === 1 && leaves[0]?.id === result.id;
  return {
    id: result.id,
    kind: isTask ? 'task' : 'group',
    state: records.find(({ state }) => state !== 'SUCCESS')?.state ?? 'SUCCESS',
    name: isTask ? records[0]?.name : undefined,
  };
}

const COLOURS: Readonly<Record<string, string>> = { SUCCESS: 'palegreen3', FAILURE: 'indianred1', REVOKED: 'plum' };

function lines({ id, kind, state, name }: GraphNode): readonly string[] {
  return [name ?? kind, id, state];
}

function dot(nodes: ResultGraph['nodes'], edges: ResultGraph['edges']): string {
  const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`)}"`;
  const label = (node: GraphNode): string =>
    lines(node)
      .map((line) => quoted(line).slice(1, -1))
      .join(String.raw`\n`);
  const drawn = nodes.map((node) => {
    const shape = node.kind === 'group' ? 'box' : 'ellipse';
    return `  ${quoted(node.id)} [label="${label(node)}", shape=${shape}, style=filled, fillcolor=${COLOURS[node.state] ?? 'white'}];`;
  });
  const arrows = edges.map(([from, to]) => `  ${quoted(from)} -> ${quoted(to)};`);
  return ['digraph dependencies {', ...drawn, ...arrows, '}', ''].join('\n');
}

function mermaid(nodes: ResultGraph['nodes'], edges: ResultGraph['edges']): string {
  const names = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  const escaped = (text: string): string => text.replaceAll(/["&<>#]/g, (sign) => `#${sign.codePointAt(0)};`);
  const drawn = nodes.map((node) => {
    const label = `"${lines(node).map(escaped).join('<br>')}"`;
    return `  ${names.get(node.id)}${node.kind === 'group' ? `[[${label}]]` : `(${label})`}`;
  });
  const arrows = edges.map(([from, to]) => `  ${names.get(from)} --> ${names.get(to)}`);
  return ['flowchart TD', ...drawn, ...arrows, ''].join('\n');
}
