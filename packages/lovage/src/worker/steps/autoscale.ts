// The step behind `--autoscale`: makes the scaler that others call (`host.autoscaler`) and looks at it now and then, so that a pool with
// nothing to do shrinks.
import { after, ConfigurationError, logger, systemClock, type Timer } from '../../util/index.ts';
import { AUTOSCALE_KEEPALIVE, createAutoscaler } from '../autoscale.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

const log = logger('worker');

export const autoscaleStep: Bootstep<WorkerHost> = {
  name: 'autoscaler',
  requires: ['pool'],
  enabled: ({ options }) => options.autoscale !== undefined,
  start: async (host) => {
    const { pool, options } = host;
    if (pool === undefined || options.autoscale === undefined) return undefined;
    await pool.resize(pool.limit).catch((error: unknown) => {
      const cure = "choose the pool 'async', or leave --autoscale out";
      throw new ConfigurationError(`The pool '${pool.name}' cannot be scaled: ${cure}.`, { cause: error });
    });
    const { keepalive = AUTOSCALE_KEEPALIVE } = options.autoscale;
    const scaler = createAutoscaler(options.autoscale, { pool, flow: () => host.consumer?.flow, clock: systemClock });
    host.autoscaler = scaler;
    let timer: Timer;
    let isOver = false;
    const round = (): void => {
      timer = after(Math.max(0.05, keepalive / 2), () => {
        scaler
          .scale()
          .catch((error: unknown) => log.error('The pool could not be resized: {error}', { error }))
          .finally(() => {
            if (!isOver) round();
          });
      });
    };
    round();
    return {
      info: () => ({ autoscaler: scaler.info() }),
      [Symbol.asyncDispose]: async () => {
        isOver = true;
        timer.cancel();
      },
    };
  },
};
