import type { Command } from '../seam.ts';
import { memory } from '../statistics.ts';

export const memsample: Command = {
  name: 'memsample',
  kind: 'inspect',
  help: 'Sample the memory in use.',
  open: true,
  run: ({ host }) => {
    const sample = memory();
    host.memorySamples.push(sample);
    // A sample a second of two hours is enough for anybody who looks.
    if (host.memorySamples.length > 7200) host.memorySamples.shift();
    return sample;
  },
};
