// The step that looks now and then which queues are paused. The mark is in the broker, so that a worker that starts later sees it, and
// one that missed a broadcast too. Whoever pauses a queue also tells the workers (app/control/pauses.ts), so these looks are the fallback.
import { after, logger, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

/** Seconds between two looks of a worker that is told of pauses, and of one that is not. */
const TOLD = 10;
const UNTOLD = 2;
const log = logger('worker');

export const pausesStep: Bootstep<WorkerHost> = {
  name: 'pauses',
  start: async (host) => {
    const { control, app } = host.parts;
    const isTold = control.settings.workerEnableRemoteControl && app.broker.features.fanout;
    const seconds = host.options.pausePoll ?? (isTold ? TOLD : UNTOLD);
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
