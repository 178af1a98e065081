// The step that looks for chords which are complete and whose body nobody sent: their last worker died between counting and sending.
import { after, logger, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

const STALE_SECONDS = 10;
const log = logger('worker');

export const chordsStep: Bootstep<WorkerHost> = {
  name: 'chords',
  enabled: ({ parts }) => parts.app.joins !== undefined && parts.app.backend?.chords?.stale !== undefined,
  start: async (host) => {
    const seconds = host.options.staleChords ?? STALE_SECONDS;
    let timer: Timer;
    let isOver = false;
    const look = async (): Promise<void> => {
      try {
        const count = await host.consumer?.flow.mendChords(seconds);
        if (count !== undefined && count > 0)
          log.debug('{count} chords were ended in place of workers that are gone.', { count });
      } catch (error) {
        log.warning('Chords that wait for a worker that is gone could not be looked for: {error}', { error: String(error) });
      }
      if (!isOver) round();
    };
    const round = (): void => {
      // Spread, so that the workers of one start do not ask all at once.
      timer = after(seconds * (0.5 + Math.random() / 2), () => void look());
    };
    round();
    return {
      [Symbol.asyncDispose]: async () => {
        isOver = true;
        timer.cancel();
      },
    };
  },
};
