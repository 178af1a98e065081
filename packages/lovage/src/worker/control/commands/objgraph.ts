import { type Command, CommandError } from '../seam.ts';

export const objgraph: Command = {
  name: 'objgraph',
  kind: 'inspect',
  help: 'Draw a graph of objects; only Python workers can.',
  args: [
    { name: 'num', type: 'integer' },
    { name: 'max_depth', type: 'integer' },
    { name: 'type', type: 'string' },
  ],
  run: () => {
    throw new CommandError('ImportError', 'Requires the objgraph library, which Python alone has; use node --inspect');
  },
};
