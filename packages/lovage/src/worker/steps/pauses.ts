// The step that looks now and then which queues are paused. The mark is in the broker, so that a worker that starts later sees it, and
// one that missed a broadcast too.
import { after, logger, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

const EVERY_SECONDS = 2;
const log = logger('worker');

export const pausesStep: Bootstep<WorkerHost> = {
  name: 'pauses',
  start: async (host) => {
    const seconds = host.options.pausePoll ?? EVERY_SECONDS;
    let timer: Timer;
    let isOver = false;
    const look = async (): Promise<void> => {
      try {
        await host.consumer?.lookForPauses();
      } catch (error) {
        // Without an answer nothing changes; a line that is lost is the consumer's to mend.
        log.debug('Whether queues are paused could not be found out: {error}', { error: String(error) });
      }
      if (!isOver) round();
    };
    const round = (): void => {
      // Spread, so that the workers of one start do not ask all at once.
      timer = after(seconds * (0.75 + Math.random() / 2), () => void look());
    };
    round();
    return {
      info: () => ({ paused: host.consumer?.paused ?? [] }),
      [Symbol.asyncDispose]: async () => {
        isOver = true;
        timer.cancel();
      },
    };
  },
};
