// The step that takes task messages. It comes last, so that everything a task may need is there before the first one arrives.
import { Consumer } from '../../consumer/index.ts';
import { ConfigurationError, orAborted } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

/** Seconds that an aborted task gets to come back before its message is given to somebody else. */
const ABORT_GRACE = 2;

export const consumerStep: Bootstep<WorkerHost> = {
  name: 'consumer',
  requires: ['pool'],
  start: async (host, signal) => {
    const { pool, parts, hostname, options } = host;
    if (pool === undefined) throw new ConfigurationError("The bootstep 'consumer' needs a pool; the step 'pool' made none.");
    const { watchdog } = options;
    const consumer = new Consumer({ app: parts.app, pool, hostname, ...(watchdog === undefined ? {} : { watchdog }) });
    host.consumer = consumer;
    void consumer.closed.then((error) => {
      if (error !== undefined) host.fail(error);
    });
    try {
      await orAborted(consumer.ready, signal);
    } catch (error) {
      await consumer[Symbol.asyncDispose]();
      throw error;
    }
    return {
      info: () => consumer.info(),
      drain: async (limit) => {
        try {
          await consumer.drain(limit);
        } catch (error) {
          await consumer.interrupt(error instanceof Error ? error : new Error(String(error)), ABORT_GRACE);
        }
      },
      [Symbol.asyncDispose]: () => consumer[Symbol.asyncDispose](),
    };
  },
};
