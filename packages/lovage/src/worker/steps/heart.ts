// The step that says that the worker lives: online with each line to the broker, a heartbeat now and then, offline at the end. While it
// shuts down its heart goes on beating, so that nobody takes its last tasks for lost.
import { after, type Timer } from '../../util/index.ts';
import type { Bootstep } from '../bootsteps.ts';
import type { ConsumerHost } from '../host.ts';
import { TASKS } from '../line.ts';
import { HEARTBEAT_INTERVAL } from '../worker-events.ts';
import { saysHeartbeats } from './events.ts';

export const heartStep: Bootstep<ConsumerHost> = {
  name: 'heart',
  requires: [TASKS],
  enabled: ({ worker }) => saysHeartbeats(worker),
  start: async ({ worker, hostname }) => {
    const { events, signals, options } = worker;
    if (events === undefined) return undefined;
    const seconds = options.heartbeatInterval ?? HEARTBEAT_INTERVAL;
    const say = (what: 'worker-online' | 'worker-heartbeat' | 'worker-offline'): void => {
      signals.heartbeatSent.emit(() => ({ hostname }));
      events.say(what);
    };
    let timer: Timer;
    let stops = false;
    const beat = (): void => {
      timer = after(seconds, () => {
        say('worker-heartbeat');
        beat();
      });
    };
    let isOver = false;
    // A worker takes its first task before it speaks.
    void worker.started.then(() => {
      if (!isOver) say('worker-online');
    });
    beat();
    return {
      drain: async () => {
        stops = true;
      },
      [Symbol.asyncDispose]: async () => {
        isOver = true;
        timer.cancel();
        // A lost line is no end: the worker is back in a moment, and its tasks go on.
        if (stops) say('worker-offline');
      },
    };
  },
};
