// `lovage control COMMAND`: tells workers to do something else.
import { type Command, defineCommand } from '../define.ts';
import { knownNames, runRemote } from './ask-workers.ts';
import { remoteParser } from './remote.ts';

export const control: Command = defineCommand({
  name: 'control',
  summary: 'Tell workers, of Lovage or Celery, what to do.',
  examples: [
    'lovage -A tasks.ts control rate_limit shop.resize 10/m',
    'lovage -A tasks.ts control terminate SIGTERM ID',
    'lovage -A tasks.ts control add_consumer mail -d celery@web1',
    'lovage -A tasks.ts control shutdown -d celery@web1',
  ],
  parser: remoteParser(knownNames('control')),
  run: (options, context) => runRemote('control', options, context),
});
