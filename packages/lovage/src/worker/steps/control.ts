// The step that hears control commands. It opens its line beside that of the tasks, so that being ready costs nothing more; what it asks
// other workers comes after that.
import { logger, ShutdownError } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import { createNameCheck, mingle, takenName } from '../control/neighbours.ts';
import { ControlNode, lookForPauses } from '../control/node.ts';
import { loadRevokes } from '../control/revokes.ts';
import type { WorkerHost } from '../host.ts';

const log = logger('worker', 'control');

export const controlStep: Bootstep<WorkerHost> = {
  name: 'control',
  requires: ['pool'],
  enabled: ({ parts }) => parts.control.settings.workerEnableRemoteControl && parts.app.broker.features.fanout,
  start: async (host) => {
    const end = new AbortController();
    const check = createNameCheck(host);
    const isNameFree = async (): Promise<void> => {
      if (host.options.allowDuplicateName === true) return;
      if (await check.isTaken(end.signal)) host.retire(takenName(host.hostname));
    };
    const node = new ControlNode({
      host,
      port: host.parts.control,
      broker: host.parts.app.broker,
      ignores: check.ignores,
      // Whatever was revoked or paused while this line was not there is in the store, or in the broker.
      onListening: () => {
        void loadRevokes(host);
        lookForPauses(host);
      },
    });
    host.beforeReady.push(node.listening);
    const quietly = async (what: string, asking: Promise<void>): Promise<void> => {
      try {
        await asking;
      } catch (error) {
        if (!end.signal.aborted) log.warning('{what} failed: {error}', { what, error: String(error) });
      }
    };
    const meeting = host.started.then(async () => {
      if (end.signal.aborted) return;
      await Promise.all([
        quietly('The check of the name of this worker', isNameFree()),
        ...(host.options.mingle === false ? [] : [quietly('mingle', mingle(host, end.signal))]),
      ]);
    });
    return {
      info: () => ({ control: { handled: node.handled } }),
      drain: (limit) => node.drain(limit),
      [Symbol.asyncDispose]: async () => {
        end.abort(new ShutdownError('The worker stops.'));
        await node[Symbol.asyncDispose]();
        // It never began where the worker did not get ready.
        void meeting.catch(() => undefined);
      },
    };
  },
};
