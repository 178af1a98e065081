// Ends process groups and removes folders when their owner is gone. Run as a program it is the guard itself: the owner writes one line
// for each thing to clean up, and the end of its standard input (the owner's death, of whatever kind) is the sign to do so.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

let guard: ChildProcess | undefined;

function tell(line: string): void {
  if (guard === undefined) {
    guard = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    guard.unref();
    const input = guard.stdin as unknown as { unref?: () => void };
    input.unref?.();
  }
  guard.stdin?.write(`${line}\n`);
}

/** From now on the process group of `pid` dies with this process. */
export function guardGroup(pid: number): void {
  tell(`group ${pid}`);
}

/** The group ended in good order. */
export function releaseGroup(pid: number): void {
  tell(`release ${pid}`);
}

/** From now on the Erlang port mapper on `port` (a daemon outside every group) ends with this process. */
export function guardEpmd(program: string, port: number): void {
  tell(`epmd ${port} ${program}`);
}

/** Ends a port mapper; it refuses while it still thinks that a node lives, so ask a few times. */
export async function killEpmd(program: string, port: number): Promise<void> {
  const env = { ...process.env, ERL_EPMD_RELAXED_COMMAND_CHECK: 'true' };
  for (let attempt = 0; attempt < 20; attempt++) {
    const said = await new Promise<string>((resolve) => {
      execFile(program, ['-port', `${port}`, '-kill'], { env }, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
    if (!said.includes('living nodes')) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** From now on `folder` is removed when this process ends. */
export function guardFolder(folder: string): void {
  tell(`folder ${folder}`);
}

function runGuard(): void {
  const groups = new Set<number>();
  const folders = new Set<string>();
  const mappers = new Map<number, string>();
  // Ctrl-C in a terminal reaches the whole foreground group; the guard lives on until its owner is gone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const [verb, rest] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)];
    if (verb === 'group') groups.add(Number(rest));
    else if (verb === 'release') groups.delete(Number(rest));
    else if (verb === 'folder') folders.add(rest);
    else if (verb === 'epmd') mappers.set(Number.parseInt(rest, 10), rest.slice(rest.indexOf(' ') + 1));
  });
  lines.on('close', async () => {
    for (const group of groups) {
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // already gone
      }
    }
    for (const [port, program] of mappers) await killEpmd(program, port);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
}

if (process.argv[1] === import.meta.filename) runGuard();
