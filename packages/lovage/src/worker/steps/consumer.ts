// The step that takes task messages. It comes last, so that everything a task may need is there before the first one arrives.
import { Consumer } from '../../consumer/index.ts';
import { ConfigurationError, logger, orAborted } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';
import { createLine } from '../line.ts';

const log = logger('worker');
/** Seconds that an aborted task gets to come back before its message is given to somebody else. */
const ABORT_GRACE = 2;

export const consumerStep: Bootstep<WorkerHost> = {
  name: 'consumer',
  requires: ['pool'],
  start: async (host, signal) => {
    const { pool, parts, hostname, options } = host;
    if (pool === undefined) throw new ConfigurationError("The bootstep 'consumer' needs a pool; the step 'pool' made none.");
    const { watchdog } = options;
    const line = createLine(host.consumerSteps, host);
    const consumer = new Consumer({
      app: parts.app,
      pool,
      hostname,
      revoked: host.revoked,
      capacity: () => host.autoscaler?.capacity ?? 0,
      onLoad: () =>
        void host.autoscaler?.scale().catch((error: unknown) => log.error('The pool could not be resized: {error}', { error })),
      onMissed: () => host.wakeParked?.(),
      ...(watchdog === undefined ? {} : { watchdog }),
      ...(line === undefined ? {} : { line }),
      ...(host.tasks === undefined ? {} : { watch: host.tasks }),
    });
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
      info: () => ({ ...consumer.info(), ...line?.info() }),
      isDrainAwaited: true,
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
