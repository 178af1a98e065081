// `lovage purge`: deletes waiting messages, after a question.
import { createInterface } from 'node:readline/promises';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { commaList } from '../options.ts';

const parser = object({
  force: option('-f', '--force', { description: message`Do not ask.` }),
  queues: optional(option('-Q', '--queues', commaList('QUEUES'), { description: message`Only these queues.` })),
  exclude: optional(option('-X', '--exclude-queues', commaList('QUEUES'), { description: message`All but these.` })),
});

async function confirmed(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) return false;
  using prompt = createInterface({ input: process.stdin, output: process.stderr });
  return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
}

export const purge: Command = defineCommand({
  name: 'purge',
  summary: 'Delete all waiting messages of the queues. There is no way back.',
  examples: ['lovage -A tasks.ts purge -Q celery --force'],
  parser,
  run: async ({ force, queues, exclude }, { loadApp, out }) => {
    const app = await loadApp();
    const names = (queues ?? app.queueNames()).filter((name) => !(exclude ?? []).includes(name));
    if (names.length === 0) {
      out.warn('No queue is left to purge.');
      return EXIT.usage;
    }
    if (!force && !(await confirmed(`Delete everything that waits in ${names.join(', ')}?`))) {
      out.warn(
        process.stdin.isTTY === true
          ? 'Nothing was deleted.'
          : 'Nothing was deleted: give --force when nobody is there to answer.',
      );
      return EXIT.failure;
    }
    const broker = await app.openBroker('write');
    const counts = await Promise.all(names.map(async (queue) => ({ queue, deleted: await broker.purge(queue) })));
    const total = counts.reduce((sum, { deleted }) => sum + deleted, 0);
    out.answer({ total, queues: counts }, [
      `Deleted ${total} message${total === 1 ? '' : 's'} from ${names.length} queue${names.length === 1 ? '' : 's'}.`,
    ]);
    return EXIT.ok;
  },
});
