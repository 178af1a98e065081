// From a result's ids, as tuples and `children` name it, to its handle.
import type { ResultNode } from '../protocol/index.ts';
import type { AsyncResult, AsyncResultOptions } from './async-result.ts';
import type { GroupResult, GroupResultOptions } from './group-result.ts';
import type { AnyResult } from './handle.ts';

/** What makes handles; a ResultStore does. */
export interface HandleMaker {
  result(id: string, options?: AsyncResultOptions): AsyncResult;
  group(id: string, members: readonly AnyResult[], options?: GroupResultOptions): GroupResult<readonly unknown[]>;
}

/** The handle of what ids name, with all that stand before it: a group's when it has members, even none. */
export function handleOf(node: ResultNode, maker: HandleMaker): AnyResult {
  const parent = node.parent === undefined ? undefined : handleOf(node.parent, maker);
  if (node.members === undefined) return maker.result(node.id, { parent });
  const members = node.members.map((member) => handleOf(member, maker));
  return maker.group(node.id, members, { parent });
}
