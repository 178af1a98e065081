// The `lovage` program: every command line, with all that a module of the user may bring along.

import { version } from '../util/version.ts';
import { quickly } from './quick.ts';
import { runProgram } from './run-program.ts';
import type { Answered, Errand } from './understand.ts';

/** What a module of the user leaves open may hold the process so long. */
const LINGER_MS = 300;

async function understood(argv: readonly string[], color: boolean): Promise<Errand | Answered> {
  const quick = quickly(argv, process.env);
  if (quick !== undefined) return (await import('./quick-errand.ts')).quickErrand(quick);
  const { understand } = await import('./understand.ts');
  return understand(argv, color);
}

/** The program: runs this process's command line and ends the process, also when a module of the user left something open. */
export async function program(): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const code = await runProgram(argv, async (again) => (await import('./main.ts')).main(argv, understood, again));
  // Unreferenced: it fires only when something else keeps the process.
  setTimeout(() => process.exit(code), LINGER_MS).unref();
}
