// Plain questions to workers (`inspect`, `control`) that need no module of the user: they are asked by a copy of the program whose compiled
// code is kept from run to run. A second copy of Lovage would be a stranger to an app that a user's module makes; here there is none.
import { join } from 'node:path';
import { findConfigFile, usualPlace } from '../app/index.ts';
import { keptCode, userFolder } from './kept-code.ts';
import { type QuickLine, quickly } from './quick.ts';

/** Settings that name modules of the user. */
const NAMING_MODULES = ['LOVAGE_IMPORTS', 'LOVAGE_INCLUDE'];

function needsModules({ global }: QuickLine): boolean {
  return (
    global.app !== undefined ||
    global.config !== undefined ||
    NAMING_MODULES.some((variable) => Boolean(process.env[variable])) ||
    usualPlace(process.cwd()) !== undefined ||
    findConfigFile() !== undefined
  );
}

/** Node as it comes: its options may load modules first, and V8's make other code. */
function isPlainNode(): boolean {
  const { NODE_OPTIONS = '', NODE_DISABLE_COMPILE_CACHE = '' } = process.env;
  return process.execArgv.length === 0 && NODE_OPTIONS === '' && NODE_DISABLE_COMPILE_CACHE === '';
}

/** Runs this process's command line and ends the process. Resolves to false, with nothing done, where another way has to be taken. */
export async function plainly(): Promise<false> {
  if (!isPlainNode()) return false;
  const argv = process.argv.slice(2);
  const line = quickly(argv, process.env);
  if (line === undefined || needsModules(line)) return false;
  const kept = keptCode(userFolder());
  if (kept === undefined) return false;
  const { runPlain } = kept.load(join(import.meta.dirname, './plain-program.ts')) as typeof import('./plain-program.ts');
  const code = await runPlain(argv, line);
  // A command that failed did not come to all of its code.
  if (code === 0) kept.save();
  // Nothing is open but what is ours, and everything was written.
  process.exit(code);
}
