// One private server: a process group and a folder, with the gestures that tests need.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardFolder, guardGroup, releaseGroup } from './guard.ts';

export interface Server extends AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly pid: number | undefined;
  /** SIGKILL to the whole group; resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends it in good order (SIGTERM); its folder stays until it is disposed. */
  stop(): Promise<void>;
  /** Starts it again on the same port and folder; kills it first when it runs. */
  restart(): Promise<void>;
  /** SIGSTOP: a stall without a FIN. */
  pause(): void;
  resume(): void;
}

export interface ServerSpec {
  readonly name: string;
  readonly port: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Answers true when the server speaks its protocol. */
  ready(): Promise<boolean>;
  /** After the group has ended, whether by kill or stop. */
  afterEnd?(): Promise<void>;
  /** Seconds. @default 60 */
  readonly startTimeout?: number;
}

/** A new temporary folder that goes away with this process. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `lovage-${name}-`));
  guardFolder(folder);
  return folder;
}

/** True when `request`, written to the port, brings an answer that `accept` likes. */
export function answers(port: number, request: string | Buffer, accept: (answer: Buffer) => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write(request));
    socket.once('data', (answer) => end(accept(answer)));
    socket.once('close', () => end(false));
  });
}

export async function startServer(spec: ServerSpec, folder: string): Promise<Server> {
  let child: ChildProcess | undefined;
  const logFile = join(folder, 'server.log');

  async function start(): Promise<void> {
    const log = openSync(logFile, 'a');
    const started = spawn(spec.command, [...spec.args], {
      cwd: folder,
      detached: true,
      stdio: ['ignore', log, log],
      ...(spec.env ? { env: spec.env } : {}),
    });
    child = started;
    started.unref();
    await new Promise<void>((resolve, reject) => {
      started.once('spawn', resolve);
      started.once('error', reject);
    });
    guardGroup(started.pid as number);
    const limit = performance.now() + (spec.startTimeout ?? 60) * 1000;
    while (!(await spec.ready())) {
      const gone = started.exitCode !== null || started.signalCode !== null;
      if (gone || performance.now() > limit) {
        const tail = readFileSync(logFile, 'utf8').slice(-2000);
        await end('SIGKILL');
        throw new Error(`${spec.name} ${gone ? 'ended' : 'did not answer'} while starting on port ${spec.port}:\n${tail}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child;
    if (ending?.pid === undefined) return;
    const gone = ending.exitCode !== null || ending.signalCode !== null ? Promise.resolve() : once(ending, 'exit');
    const send = (which: NodeJS.Signals): void => {
      try {
        process.kill(-(ending.pid as number), which);
      } catch {
        // already gone
      }
    };
    send('SIGCONT');
    send(signal);
    const impatient = setTimeout(() => send('SIGKILL'), 15_000);
    await gone;
    clearTimeout(impatient);
    send('SIGKILL');
    releaseGroup(ending.pid);
    child = undefined;
    await spec.afterEnd?.();
  }

  await start();
  return {
    port: spec.port,
    folder,
    get pid() {
      return child?.pid;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    restart: async () => {
      await end('SIGKILL');
      await start();
    },
    pause: () => {
      if (child?.pid !== undefined) process.kill(-child.pid, 'SIGSTOP');
    },
    resume: () => {
      if (child?.pid !== undefined) process.kill(-child.pid, 'SIGCONT');
    },
    [Symbol.asyncDispose]: async () => {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
