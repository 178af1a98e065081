// `lovage result ID`: what is known of a task.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { float, string } from '@optique/core/valueparser';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { printable, printableJson } from '../output.ts';

const parser = object({
  id: argument(string({ metavar: 'ID' }), { description: message`Id of the task.` }),
  traceback: option('--traceback', { description: message`Print the traceback of a failure.` }),
  wait: optional(option('-w', '--wait', float({ metavar: 'SECONDS' }), { description: message`Wait so long for it to end.` })),
});

export const result: Command = defineCommand({
  name: 'result',
  summary: 'Show the state and the result of a task.',
  examples: ['lovage result 3f2b… --wait 10'],
  parser,
  run: async ({ id, traceback, wait }, { loadApp, out }) => {
    const app = await loadApp();
    const handle = app.result<unknown>(id);
    if (wait !== undefined) await handle.get({ timeout: wait, propagate: false });
    const record = await handle.record();
    const { state, error } = record;
    const value = error === undefined ? record.value : { type: error.name, message: error.message };
    const failed = state === 'FAILURE' || state === 'REVOKED';
    const color = failed ? 'red' : state === 'SUCCESS' ? 'green' : 'yellow';
    const lines = [
      `${out.style(color, printable(state))}${state === 'PENDING' ? '  (no record: not finished, or unknown)' : ''}`,
    ];
    if (value !== undefined && value !== null) lines.push(typeof value === 'string' ? printable(value) : printableJson(value));
    if (traceback && record.traceback) lines.push(...record.traceback.split('\n').map(printable));
    const { dateDone = null } = record;
    out.answer({ id, status: state, result: value ?? null, traceback: record.traceback ?? null, dateDone }, lines);
    return failed ? EXIT.failure : EXIT.ok;
  },
});
