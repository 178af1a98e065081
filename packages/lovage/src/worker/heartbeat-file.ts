// A file that a worker touches as long as it is alive, for probes that run a command in its container. It holds what /livez would say.
import { mkdirSync, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { after, ConfigurationError, logger, type Timer } from '../util/index.ts';
import type { Health } from './health.ts';

const EVERY_SECONDS = 5;
const log = logger('worker');

/** Writes the file now and then, as a whole each time; not while the worker is not alive. Throws ConfigurationError when it cannot be written. */
export async function beatFile(path: string, health: Health): Promise<Disposable> {
  let timer: Timer | undefined;
  let isOver = false;

  async function beat(): Promise<void> {
    if (!health.alive().ok) return;
    const text = JSON.stringify({ pid: process.pid, time: new Date().toISOString(), ready: health.ready().ok });
    await writeFile(`${path}.new`, `${text}\n`);
    // After the end the file must not come back.
    if (isOver) rmSync(`${path}.new`, { force: true });
    else await rename(`${path}.new`, path);
  }

  function again(): void {
    timer = after(EVERY_SECONDS, () => {
      beat()
        .catch((error: unknown) =>
          log.warning('The heartbeat file {path} cannot be written: {error}', { path, error: String(error) }),
        )
        .finally(() => {
          if (!isOver) again();
        });
    });
  }

  try {
    mkdirSync(dirname(path), { recursive: true });
    await beat();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(`The heartbeat file '${path}' cannot be written: ${reason} (--heartbeat-file, heartbeatFile).`, {
      cause: error,
    });
  }
  again();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      timer?.cancel();
      rmSync(path, { force: true });
    },
  };
}
