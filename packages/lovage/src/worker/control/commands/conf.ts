import type { Command } from '../seam.ts';

export const conf: Command = {
  name: 'conf',
  alias: 'dump_conf',
  kind: 'inspect',
  help: 'Show the settings, secrets blotted out.',
  args: [{ name: 'with_defaults', type: 'boolean' }],
  open: true,
  run: ({ port }, { with_defaults: all }) => port.conf(all === true),
};
