// Results as they travel: `[[id, parent], nodes]`, in `children` of result records and as values of tasks that return a result.
import { DecodeError } from '../util/index.ts';
import { kindOf } from './record.ts';

/** A result by its ids alone: a task's, or a group's when it has members. */
export interface ResultNode {
  readonly id: string;
  readonly parent?: ResultNode | undefined;
  /** Of a group only. */
  readonly members?: readonly ResultNode[] | undefined;
}

/** `[[id, parent], members]`. */
export type ResultTuple = readonly [readonly [string, ResultTuple | null], readonly ResultTuple[] | null];

/** How many ancestors are read or written: longer chains keep their near end. */
const MAX_PARENTS = 500;

/** The tuple of a result. */
export function resultTuple(node: ResultNode, depth: number = MAX_PARENTS): ResultTuple {
  const parent = node.parent === undefined || depth === 0 ? null : resultTuple(node.parent, depth - 1);
  const members = node.members === undefined || depth === 0 ? null : node.members.map((member) => resultTuple(member, depth - 1));
  return [[node.id, parent], members];
}

function read(value: unknown, depth: number): ResultNode {
  // A bare id is accepted where a result stands, and in place of `[id, parent]`.
  if (typeof value === 'string' && value !== '') return { id: value };
  if (!Array.isArray(value)) throw new DecodeError(`A result tuple is [[id, parent], members], not ${kindOf(value)}`);
  if (depth === 0) throw new DecodeError(`A result tuple is nested deeper than ${MAX_PARENTS} levels`);
  const [head, members] = value as readonly unknown[];
  const [id, parent] = Array.isArray(head) ? (head as readonly unknown[]) : [head];
  if (typeof id !== 'string' || id === '') throw new DecodeError(`A result tuple has no id but ${kindOf(id)}`);
  return {
    id,
    ...(parent === null || parent === undefined ? {} : { parent: read(parent, depth - 1) }),
    ...(Array.isArray(members) ? { members: members.map((member) => read(member, depth - 1)) } : {}),
  };
}

/** The result that a tuple names. Throws DecodeError. */
export function parseResultTuple(value: unknown): ResultNode {
  return read(value, MAX_PARENTS);
}
