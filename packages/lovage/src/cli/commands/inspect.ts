// `lovage inspect COMMAND`: asks workers what they do and know.
import { type Command, defineCommand } from '../define.ts';
import { knownNames, runRemote } from './ask-workers.ts';
import { remoteParser } from './remote.ts';

export const inspect: Command = defineCommand({
  name: 'inspect',
  summary: 'Ask workers, of Lovage or Celery, what they do.',
  examples: [
    'lovage -A tasks.ts inspect active',
    'lovage -A tasks.ts inspect stats -d celery@web1 --json',
    'lovage -b redis://localhost inspect query_task ID',
    'lovage -A tasks.ts inspect --list',
  ],
  parser: remoteParser(knownNames('inspect')),
  run: (options, context) => runRemote('inspect', options, context),
});
