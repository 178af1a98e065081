// The process around a command line: its streams, its end, and its repetition.

import { version } from '../util/version.ts';
import { leaveFirstPlace } from './init.ts';

/** What a module of the user leaves open may hold the process so long. */
const LINGER_MS = 300;

/** A reader that went away (`lovage queues | head -1`) is no error of ours. */
function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || !stream.writable) return Promise.resolve();
  return new Promise((done) => stream.write('', () => done()));
}

/** Nothing was left that could go on: an end without an outcome, which must not look like a good one. */
function sayUnfinished(code: number): void {
  if (code !== 0) return;
  process.stderr.write(
    'Error: The command ended before it was done: what it waited for can never come. Does a module wait at its top level (await) for something that nothing keeps open?\n',
  );
  process.exitCode = 1;
}

/** The program: runs this process's command line and ends the process, also when a module of the user left something open. */
export async function program(): Promise<void> {
  process.stdout.on('error', onStreamError);
  process.stderr.on('error', onStreamError);
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  leaveFirstPlace(argv);
  let anew = false;
  const { main } = await import('./main.ts');
  process.once('exit', sayUnfinished);
  const code = await main(argv, () => {
    anew = true;
  });
  process.off('exit', sayUnfinished);
  process.exitCode = code;
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // The same process id: whoever watches over it sees no end.
  if (anew) process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env);
  // Unreferenced: it fires only when something else keeps the process.
  setTimeout(() => process.exit(code), LINGER_MS).unref();
}
