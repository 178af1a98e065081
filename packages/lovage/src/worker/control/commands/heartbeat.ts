import type { Command } from '../seam.ts';

export const heartbeat: Command = {
  name: 'heartbeat',
  help: 'Send a heartbeat now.',
  run: ({ host }) => {
    host.events?.say('worker-heartbeat');
    return null;
  },
};
