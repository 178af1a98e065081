// The step behind `--purge`: what waits is deleted before the first message is taken.
import { logger } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { WorkerHost } from '../host.ts';

const log = logger('worker');

export const purgeStep: Bootstep<WorkerHost> = {
  name: 'purge',
  enabled: ({ options }) => options.purge === true,
  start: async ({ parts }) => {
    const { names, topology } = parts.app.queues();
    await parts.app.broker.declare(topology);
    let count = 0;
    for (const name of names) count += await parts.app.broker.purge(name);
    log.warning('purge: Erased {count} {messages} from {queues}.', {
      count,
      messages: count === 1 ? 'message' : 'messages',
      queues: names.join(', '),
    });
  },
};
