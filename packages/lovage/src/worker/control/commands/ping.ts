import type { Command } from '../seam.ts';

export const ping: Command = {
  name: 'ping',
  kind: 'inspect',
  help: 'Ask whether a worker is there.',
  open: true,
  run: () => ({ ok: 'pong' }),
};
