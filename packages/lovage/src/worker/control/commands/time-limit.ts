import { consumerOf } from '../parts.ts';
import { type Command, ok } from '../seam.ts';
import { secondsOf, textOf } from '../words.ts';

export const timeLimit: Command = {
  name: 'time_limit',
  help: 'Set how many seconds a task may run, from its next start on.',
  args: [
    { name: 'task_name', type: 'string', required: true },
    { name: 'soft', type: 'number' },
    { name: 'hard', type: 'number' },
  ],
  open: true,
  run: (context, { task_name: name, soft, hard }) => {
    const task = textOf(name, 'task_name');
    const limits = { softTimeLimit: secondsOf(soft, 'soft'), timeLimit: secondsOf(hard, 'hard') };
    if (context.host.parts.app.find(task) === undefined) return { error: 'unknown task' };
    consumerOf(context).flow.change(task, limits);
    return ok('time limits set successfully');
  },
};
