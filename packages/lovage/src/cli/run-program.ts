// The process around a command line: its streams, its outcome, and its repetition.
import { EXIT } from './define.ts';
import { leaveFirstPlace } from './init.ts';

/** What could not be written of the answer. */
let unwritten: NodeJS.ErrnoException | undefined;

/** A reader that went away (`lovage queues | head -1`) is no error of ours. */
const isGone = ({ code }: NodeJS.ErrnoException): boolean => code === 'EPIPE' || code === 'EIO';

/** A full disk, say: told at the end. A program that runs on (a worker) must not end by it. */
function onUnwritten(error: NodeJS.ErrnoException): void {
  if (!isGone(error)) unwritten ??= error;
}

/** Where errors are told: there is no other place to say so, and the next line may find room. */
const onUntold = (): void => undefined;

/** The outcome of what went well, if all of it came through. */
function written(): number {
  if (unwritten === undefined) return EXIT.ok;
  process.stderr.write(`Error: The output cannot be written: ${unwritten.message}\n`);
  return EXIT.failure;
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
  process.stdout.on('error', onUnwritten);
  process.stderr.on('error', onUntold);
  leaveFirstPlace(argv);
  let anew = false;
  process.once('exit', sayUnfinished);
  const code = await run(() => {
    anew = true;
  });
  process.off('exit', sayUnfinished);
  process.exitCode = code;
  await flushed(process.stdout);
  const outcome = code === EXIT.ok ? written() : code;
  process.exitCode = outcome;
  await flushed(process.stderr);
  // The same process id: whoever watches over it sees no end.
  if (anew) process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env);
  return outcome;
}
