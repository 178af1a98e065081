// `lovage result ID`: what is known of a task.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { string } from '@optique/core/valueparser';
import type { ResultRecord } from '../../result/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { seconds } from '../options.ts';
import { type Output, printable, resultLines } from '../output.ts';
import { reachBackend } from './reach.ts';

const parser = object({
  id: argument(string({ metavar: 'ID' }), { description: message`Id of the task.` }),
  traceback: option('--traceback', { description: message`Print the traceback of a failure.` }),
  wait: optional(option('-w', '--wait', seconds(), { description: message`Wait so long for it to end.` })),
});

const FAILED: ReadonlySet<string> = new Set(['FAILURE', 'REVOKED']);

function describe(record: ResultRecord, out: Output): readonly string[] {
  const { state, error, value } = record;
  const color = FAILED.has(state) ? 'red' : state === 'SUCCESS' ? 'green' : 'yellow';
  const head = out.style(color, printable(state));
  if (state === 'PENDING') return [`${head}  nothing is stored for ${printable(record.id)}: not finished, unknown, or expired`];
  if (error !== undefined) return [head, `${printable(error.name)}: ${printable(error.message)}`];
  return value === undefined || value === null ? [head] : [head, ...resultLines(value)];
}

export const result: Command = defineCommand({
  name: 'result',
  summary: 'Show the state and the result of a task.',
  examples: ['lovage -A tasks.ts result fba2953c-495b-42b6-9250-cc42b0be2b50 --wait 10'],
  parser,
  run: async ({ id, traceback, wait }, { loadApp, out }) => {
    const app = await loadApp();
    await reachBackend(app);
    const handle = app.result<unknown>(id);
    if (wait !== undefined) await handle.get({ timeout: wait, propagate: false });
    const record = await handle.record();
    const { state: status, error, value, dateDone = null } = record;
    const trace = traceback && record.traceback ? record.traceback.trimEnd().split('\n').map(printable) : [];
    out.answer(
      {
        id,
        status,
        result: error === undefined ? (value ?? null) : { type: error.name, message: error.message },
        traceback: record.traceback ?? null,
        dateDone,
      },
      [...describe(record, out), ...trace],
    );
    return FAILED.has(status) ? EXIT.failure : EXIT.ok;
  },
});
