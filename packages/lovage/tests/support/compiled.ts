// Tests start hundreds of processes from the sources. What the first of them strips of its types and compiles the others load: a start
// takes a third of the time, most of which Node would spend on one and the same work, on a machine that is busy with the test itself.
import { resolve } from 'node:path';

/** For the environment of this process, and so of those that it starts. */
export const COMPILED: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: resolve(import.meta.dirname, '../../../../node_modules/.cache/programs'),
};
