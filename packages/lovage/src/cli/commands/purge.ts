// `lovage purge`: deletes waiting messages, or dead ones, after a question.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { option } from '@optique/core/primitives';
import { type Broker, deadLetterQueue } from '../../broker/index.ts';
import { ConfigurationError } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { commaList } from '../options.ts';
import { printable } from '../output.ts';
import { mayDestroy } from './confirm.ts';
import { reachBroker } from './reach.ts';

const parser = object({
  force: option('-f', '--force', { description: message`Do not ask.` }),
  queues: optional(option('-Q', '--queues', commaList('QUEUES'), { description: message`Only these queues, such as a,b.` })),
  exclude: optional(option('-X', '--exclude-queues', commaList('QUEUES'), { description: message`All but these.` })),
  dead: option('--dead', { description: message`Delete the dead letters of these queues, and leave what waits in them.` }),
});

interface Purged {
  readonly queue: string;
  readonly exists: boolean;
  readonly deleted: number;
}

async function purgeOne(broker: Broker, queue: string): Promise<Purged> {
  // RabbitMQ closes the channel over a queue that is not there.
  const exists = (await broker.count(queue)) !== undefined;
  return { queue, exists, deleted: exists ? await broker.purge(queue) : 0 };
}

export const purge: Command = defineCommand({
  name: 'purge',
  summary: 'Delete all waiting messages of the queues. There is no way back.',
  examples: ['lovage -A tasks.ts purge', 'lovage -A tasks.ts purge -Q celery --force', 'lovage -A tasks.ts purge --dead'],
  parser,
  run: async ({ force, queues, exclude = [], dead }, { loadApp, out }) => {
    const app = await loadApp();
    const chosen = (queues ?? app.queueNames()).filter((name) => !exclude.includes(name));
    const names = [...new Set(dead ? chosen.map(deadLetterQueue) : chosen)];
    if (names.length === 0) throw new ConfigurationError('purge: no queue is left to purge.');
    const broker = await reachBroker(app, 'write');
    const shown = names.map(printable).join(', ');
    if (!(await mayDestroy(`Delete every message in ${shown}?`, force, out))) return EXIT.failure;
    const counts = await Promise.all(names.map((queue) => purgeOne(broker, queue)));
    for (const { queue, exists } of counts) {
      if (!exists && !dead && !out.json) out.warn(`There is no queue '${printable(queue)}'.`);
    }
    const total = counts.reduce((sum, { deleted }) => sum + deleted, 0);
    out.answer({ total, queues: counts }, [
      `Deleted ${total} message${total === 1 ? '' : 's'} from ${names.length} queue${names.length === 1 ? '' : 's'}.`,
    ]);
    return EXIT.ok;
  },
});
