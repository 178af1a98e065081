// Into the background: Node cannot fork, so the same command line is started once more, in a session of its own, and this process waits
// until that one says that it has started, or has failed.
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { EXIT } from '../define.ts';

/** Tells a process that it is the one in the background. */
const MARK = 'LOVAGE_DETACHED';
const STARTED = 'lovage-started';
const DETACH = new Set(['-D', '--detach']);

/** Is this the process in the background? Only the first to ask hears it, so that children of this process do not. */
export function isDetached(): boolean {
  const is = process.env[MARK] !== undefined && process.send !== undefined;
  delete process.env[MARK];
  return is;
}

/** From the process in the background: it runs. From now on nobody reads what it writes outside of its log. */
export function detachedHasStarted(): void {
  if (process.send === undefined) return;
  process.send(STARTED, () => process.disconnect());
  for (const stream of [process.stdout, process.stderr]) stream.write = () => true;
}

function withoutDetach(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return argv.filter((word, index) => !DETACH.has(word) || (end >= 0 && index > end));
}

function environmentOf(variable: string): NodeJS.ProcessEnv {
  const { [variable]: _, ...environment } = process.env;
  return { ...environment, [MARK]: '1' };
}

function collect(stream: Readable | null): () => string {
  let text = '';
  stream?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text;
}

/** Starts this command line in the background. Resolves to the exit code: of the start when it went well, else of the process that failed. */
export async function detach(command: string): Promise<number> {
  const [script = '', ...argv] = process.argv.slice(1);
  const child = spawn(process.execPath, [...process.execArgv, script, ...withoutDetach(argv)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: environmentOf(`LOVAGE_${command.toUpperCase()}_DETACH`),
  });
  const output = collect(child.stdout);
  const errors = collect(child.stderr);
  const outcome = await new Promise<'started' | number>((done, fail) => {
    child.once('error', fail);
    child.on('message', (message) => {
      if (message === STARTED) done('started');
    });
    child.once('close', (code) => done(code ?? EXIT.failure));
  });
  if (outcome !== 'started') {
    process.stdout.write(output());
    process.stderr.write(errors());
    return outcome;
  }
  child.disconnect();
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
  return EXIT.ok;
}
