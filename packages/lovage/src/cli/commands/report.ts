// `lovage report`: what a maintainer asks for first, without secrets.
import { object } from '@optique/core/constructs';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { printable } from '../output.ts';

export const report: Command = defineCommand({
  name: 'report',
  summary: 'Print versions, addresses and changed settings, to be put into a report of a problem.',
  examples: ['lovage -A tasks.ts report'],
  parser: object({}),
  run: async (_, { loadApp, out }) => {
    const app = await loadApp();
    const text = app.bugReport();
    out.answer({ report: text, settings: app.conf.table() }, text.split('\n').map(printable));
    return EXIT.ok;
  },
});
