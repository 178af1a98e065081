// The step that reads what is revoked from the result store, before the first task is taken.
import type { Bootstep } from '../bootsteps.ts';
import { loadRevokes } from '../control/revokes.ts';
import type { WorkerHost } from '../host.ts';

/** Seconds that a store that does not answer may hold up a start; later it is read again with the line for commands. */
const PATIENCE = 2;

export const revokesStep: Bootstep<WorkerHost> = {
  name: 'revokes',
  enabled: ({ parts }) => parts.app.backend?.revokes !== undefined,
  start: async (host, signal) => {
    await loadRevokes(host, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE * 1000)]));
  },
};
