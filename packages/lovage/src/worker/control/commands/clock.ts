import type { Command } from '../seam.ts';

export const clock: Command = {
  name: 'clock',
  kind: 'inspect',
  help: 'Show the logical clock.',
  open: true,
  run: ({ port }) => ({ clock: port.clock.value }),
};
