// `lovage migrate SOURCE DESTINATION`: brings waiting messages from one broker to another.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { integer, string } from '@optique/core/valueparser';
import { Lovage, topologyOf } from '../../app/index.ts';
import { type Broker, type Message, type MigrateCounts, migrateQueue } from '../../broker/index.ts';
import { ConfigurationError, globMatch } from '../../util/index.ts';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { commaList, seconds } from '../options.ts';
import { printable, table } from '../output.ts';
import { reachBroker } from './reach.ts';
import { untilTold } from './until-told.ts';

const parser = object({
  source: argument(string({ metavar: 'SOURCE' }), { description: message`URL of the broker to read from.` }),
  destination: argument(string({ metavar: 'DESTINATION' }), { description: message`URL of the broker to send to.` }),
  queues: optional(
    option('-Q', '--queues', commaList('QUEUES'), {
      description: message`These queues; a:b brings what is in a to b. Default: those of the app.`,
    }),
  ),
  ack: option('-a', '--ack-messages', { description: message`Take the messages out of the source: move instead of copy.` }),
  tasks: optional(
    option('-T', '--tasks', commaList('NAMES'), { description: message`Only tasks of these names, such as mail.*.` }),
  ),
  limit: optional(option('-n', '--limit', integer({ metavar: 'NUMBER', min: 1 }), { description: message`Stop after so many.` })),
  timeout: optional(
    option('-t', '--timeout', seconds(), {
      description: message`With --ack-messages: stop when no message has come for so long; 5 seconds.`,
    }),
  ),
  forever: option('-F', '--forever', { description: message`With --ack-messages: go on with what comes, until Ctrl-C.` }),
});

interface Pair {
  readonly source: string;
  readonly target: string;
}

/** `a:b` → from a to b. A queue may have colons in its name: the last one counts. */
function pairOf(text: string): Pair {
  const [, source, target] = /^(.+):([^:]+)$/.exec(text) ?? [];
  return source === undefined || target === undefined ? { source: text, target: text } : { source, target };
}

/** An app that is nothing but a broker; options of the driver come from the app where its broker is of the same kind. */
function appAt(url: string, app: Lovage | undefined): Lovage {
  const scheme = (text: string): string => text.split(':', 1)[0] ?? '';
  const own = app?.settings.brokerUrl;
  const isSame = typeof own === 'string' && scheme(own) === scheme(url);
  return new Lovage(app?.name ?? 'lovage', {
    brokerUrl: url,
    resultBackend: 'disabled',
    ...(isSame ? { brokerTransportOptions: app?.settings.brokerTransportOptions } : {}),
  });
}

/** The queue at the other end, as the app declares it; else a plain one. */
async function declareTarget(to: Broker, target: string, app: Lovage | undefined): Promise<void> {
  if ((await to.count(target)) !== undefined) return;
  const known = app?.queueNames().includes(target) === true ? topologyOf([app.queues.get(target)]) : undefined;
  await to.declare(known ?? { exchanges: [], queues: [{ name: target, durable: true, arguments: {} }], bindings: [] });
}

function taskFilter(names: readonly string[] | undefined): ((message: Message) => boolean) | undefined {
  if (names === undefined) return undefined;
  return ({ headers: { task } }) => typeof task === 'string' && names.some((name) => globMatch(name, task));
}

interface Migrated extends Pair, MigrateCounts {}

function report(done: readonly Migrated[], move: boolean, isOver: boolean, { out }: CommandContext): number {
  const total = done.reduce((sum, { moved }) => sum + moved, 0);
  const rows = done.map(({ source, target, moved, known }) => [source, target, moved, known]);
  const verb = move ? 'Moved' : 'Copied';
  out.progress();
  out.answer({ total, move, complete: isOver, queues: done }, [
    ...table(['from', 'to', move ? 'moved' : 'copied', 'there already'], rows),
    '',
    `${verb} ${total} message${total === 1 ? '' : 's'}.`,
  ]);
  for (const { source, held } of done) {
    if (held > 0)
      out.warn(
        `${held} of '${printable(source)}' are held by a worker, or by a program that died: run it again when they are back.`,
      );
  }
  if (!isOver) out.warn('It was stopped: the same command goes on where it ended.');
  return isOver ? EXIT.ok : EXIT.failure;
}

export const migrate: Command = defineCommand({
  name: 'migrate',
  summary: 'Bring waiting messages from one broker to another.',
  examples: [
    'lovage -A tasks.ts migrate redis://old amqp://new --ack-messages',
    'lovage migrate redis://localhost sqlite://./lovage.db -Q celery,mail:post -a',
    "lovage migrate redis://old redis://new -Q celery -T 'mail.*' -n 100 -a",
  ],
  parser,
  run: async ({ source, destination, queues, ack: move, tasks, limit, timeout, forever }, context) => {
    if (forever && !move) throw new ConfigurationError('migrate --forever needs --ack-messages: what is only copied has no end.');
    const app = queues === undefined || context.global.app !== undefined ? await context.loadApp() : undefined;
    const pairs = (queues ?? app?.queueNames() ?? []).map(pairOf);
    await using from = appAt(source, app);
    await using to = appAt(destination, app);
    const [reading, writing] = [await reachBroker(from, 'read'), await reachBroker(to, 'write')];
    if (reading.url === writing.url && pairs.some((pair) => pair.source === pair.target))
      throw new ConfigurationError(
        'migrate: source and destination are the same queue of the same broker. Name another with -Q a:b.',
      );
    const signal = untilTold();
    const where = taskFilter(tasks);
    const done: Migrated[] = [];
    let left = limit;
    const one = async (pair: Pair): Promise<void> => {
      if (signal.aborted || left === 0) return;
      await declareTarget(writing, pair.target, app);
      const counts = await migrateQueue({
        ...pair,
        ...{ from: reading, to: writing, move, forever, signal },
        ...(where === undefined ? {} : { where }),
        ...(left === undefined ? {} : { limit: left }),
        ...(timeout === undefined ? {} : { patience: timeout }),
        progress: ({ moved, total }) => context.out.progress(`${printable(pair.source)}: ${moved} of ${total}`),
      });
      if (left !== undefined) left -= counts.moved;
      done.push({ ...pair, ...counts });
    };
    if (forever) await Promise.all(pairs.map(one));
    else for (const pair of pairs) await one(pair);
    return report(done, move, forever || !signal.aborted, context);
  },
});
