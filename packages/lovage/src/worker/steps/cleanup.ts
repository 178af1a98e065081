// The step that deletes expired results where the store does not do it by itself.
import { after, logger, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

const EVERY_SECONDS = 3600;
const log = logger('worker');

export const cleanupStep: Bootstep<WorkerHost> = {
  name: 'cleanup',
  enabled: ({ parts }) => parts.app.backend?.cleanup !== undefined && !parts.app.backend.features.autoExpire,
  start: async ({ parts }) => {
    let timer: Timer;
    const round = (): void => {
      timer = after(EVERY_SECONDS, () => {
        parts.app.backend
          ?.cleanup?.()
          .then((count) => log.debug('{count} expired results were deleted.', { count }))
          .catch((error: unknown) => log.warning('Expired results could not be deleted: {error}', { error: String(error) }));
        round();
      });
    };
    round();
    return {
      [Symbol.asyncDispose]: async () => timer.cancel(),
    };
  },
};
