// Walking from a result to those of the tasks that it sent: `children`, of which a group's are its members. Breadth first.
import { IncompleteStreamError } from '../util/index.ts';
import type { AnyResult, GetOptions } from './handle.ts';

/** A result, and the one that sent it (undefined for the one where the walk began). */
export type Dependency = readonly [parent: AnyResult | undefined, result: AnyResult];

/** Every result below `root`, itself first. One that is not ready is given, and then throws, or with `intermediate` is not entered. */
export async function* iterdeps(
  root: AnyResult,
  options: { readonly intermediate?: boolean } = {},
): AsyncGenerator<Dependency, void, undefined> {
  const seen = new Set<string>([root.id]);
  const queue: Dependency[] = [[undefined, root]];
  // It grows while it is read.
  for (const next of queue) {
    yield next;
    const [, result] = next;
    if (await result.ready()) {
      const children = (await result.children()).filter((child) => !seen.has(child.id));
      for (const child of children) seen.add(child.id);
      // All at once, so that reading a wide tree takes a call for each level and not for each task.
      await Promise.all(children.map((child) => child.ready()));
      for (const child of children) queue.push([result, child]);
    } else if (options.intermediate !== true) {
      throw new IncompleteStreamError(
        `Task ${result.id} has not ended, so what it sends is not known yet. Wait for it first, or walk with { intermediate: true }.`,
      );
    }
  }
}

/** Every result below `root` with its value, itself first. Waits for each, unless `intermediate` takes those that are there. */
export async function* collect(
  root: AnyResult,
  options: GetOptions & { readonly intermediate?: boolean } = {},
): AsyncGenerator<[AnyResult, unknown], void, undefined> {
  const { intermediate = false, ...get } = options;
  for await (const [, result] of iterdeps(root, { intermediate })) yield [result, await result.get(get as { propagate?: true })];
}

/** The value of the last result below `root`; waits for all of them. */
export async function getLeaf(root: AnyResult, options: GetOptions = {}): Promise<unknown> {
  let last: unknown;
  for await (const [, value] of collect(root, options)) last = value;
  return last;
}
