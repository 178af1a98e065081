// The process around a command line: its streams, its outcome, and its repetition.
import { leaveFirstPlace } from './init.ts';

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

/** Runs this process's command line. Resolves to the exit code when everything was written; ending the process is left to the caller. */
export async function runProgram(argv: readonly string[], run: (again: () => void) => Promise<number>): Promise<number> {
  process.stdout.on('error', onStreamError);
  process.stderr.on('error', onStreamError);
  leaveFirstPlace(argv);
  let anew = false;
  process.once('exit', sayUnfinished);
  const code = await run(() => {
    anew = true;
  });
  process.off('exit', sayUnfinished);
  process.exitCode = code;
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // The same process id: whoever watches over it sees no end.
  if (anew) process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env);
  return code;
}
