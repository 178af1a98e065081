// The program of a plain line: loaded by plain.ts, with compiled code that an earlier run kept.
import { main } from './main.ts';
import type { QuickLine } from './quick.ts';
import { quickErrand } from './quick-errand.ts';
import { runProgram } from './run-program.ts';

/** Runs a line that was read already. Resolves to the exit code when everything was written. */
export function runPlain(argv: readonly string[], line: QuickLine): Promise<number> {
  return runProgram(argv, (again) => main(argv, async () => quickErrand(line), again));
}
