// Between `lovage dev` and the worker that it started: when the one is killed, the other hears it by the end of their channel, and ends.

/** Tells a worker that it belongs to a `lovage dev`. */
const MARK = 'LOVAGE_DEV_WORKER';

/** The environment of a worker that is started with a channel. */
export function leashedEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, [MARK]: '1' };
}

/** In a worker: one that `lovage dev` started ends, as by TERM, when that is no more. What it starts itself does not hear of it. */
export function heedLeash(): void {
  const isLeashed = process.env[MARK] !== undefined && process.channel !== undefined;
  delete process.env[MARK];
  if (!isLeashed) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // Listening alone keeps no process.
  process.channel?.unref();
}
