import type { Command } from '../seam.ts';
import { memory } from '../statistics.ts';
import { wholeOf } from '../words.ts';

export const memdump: Command = {
  name: 'memdump',
  kind: 'inspect',
  help: 'Show the last samples of memory that memsample took.',
  args: [{ name: 'samples', type: 'integer' }],
  open: true,
  run: ({ host }, { samples }) => {
    const wanted = Math.max(0, wholeOf(samples, 'samples', 10));
    const shown = wanted === 0 ? [] : host.memorySamples.slice(-wanted);
    const lines = ['- rss (sample):', ...shown.map((sample) => `-    > ${sample},`), `- rss (end): ${memory()}.`];
    return `${lines.join('\n')}\n`;
  },
};
