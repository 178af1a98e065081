// `lovage dlq`: dead letters: listed, shown in full, sent again, deleted.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional, withDefault } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, integer, string } from '@optique/core/valueparser';
import type { Lovage } from '../../app/index.ts';
import { DEATH_REASONS, type DeadLetter } from '../../broker/index.ts';
import { ConfigurationError, globMatch, redactData, redactText } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { commaList } from '../options.ts';
import { type Output, printable, table } from '../output.ts';
import { mayDestroy } from './confirm.ts';
import { reachBroker } from './reach.ts';

/** How many letters of a queue are looked at when a person chooses among them. */
const LOOK_AT = 50_000;
const MAX_CELL = 80;

/** Of a letter that tells no reason: another program put it there. */
const UNKNOWN = 'unknown';

const parser = object({
  action: withDefault(
    argument(choice(['list', 'show', 'retry', 'purge']), { description: message`What to do with them.` }),
    'list',
  ),
  ids: multiple(argument(string({ metavar: 'ID' }), { description: message`Only these tasks.` })),
  queues: optional(
    option('-Q', '--queues', commaList('QUEUES'), {
      description: message`Dead letters of these queues. Default: those of the app.`,
    }),
  ),
  task: optional(
    option('--task', string({ metavar: 'GLOB' }), { description: message`Only of tasks of these names, such as mail.*` }),
  ),
  reason: optional(
    option('--reason', choice([...DEATH_REASONS, UNKNOWN], { metavar: 'REASON' }), {
      description: message`Only those that died of this.`,
    }),
  ),
  limit: withDefault(
    option('--limit', integer({ metavar: 'NUMBER', min: 1 }), { description: message`list: how many of each queue.` }),
    20,
    { message: message`20` },
  ),
  all: option('--all', { description: message`retry, purge: all of them, when nothing else chooses.` }),
  force: option('-f', '--force', { description: message`purge: do not ask.` }),
});

interface Wish {
  readonly ids: readonly string[];
  readonly queues: readonly string[];
  readonly task: string | undefined;
  readonly reason: string | undefined;
}

const chooses = ({ ids, task, reason }: Wish): boolean => ids.length > 0 || task !== undefined || reason !== undefined;

function wanted({ ids, task, reason }: Wish): (letter: DeadLetter) => boolean {
  return (letter) =>
    (ids.length === 0 || ids.includes(letter.id ?? '')) &&
    (task === undefined || globMatch(task, letter.task ?? '')) &&
    (reason === undefined || (letter.death?.reason ?? UNKNOWN) === reason);
}

interface Found {
  readonly queue: string;
  readonly letter: DeadLetter;
}

async function find(app: Lovage, wish: Wish): Promise<readonly Found[]> {
  await reachBroker(app, 'read');
  const all = await Promise.all(
    wish.queues.map(async (queue) => {
      const letters = app.deadLetters(queue);
      const most = chooses(wish) ? LOOK_AT : undefined;
      return (await letters.list(most)).map((letter) => ({ queue, letter }));
    }),
  );
  return all.flat().filter(({ letter }) => wanted(wish)(letter));
}

/** A letter for programs. */
function facts({ queue, letter: { id, task, death } }: Found): Record<string, unknown> {
  const { reason = UNKNOWN, error = null, attempts = null, time = null, node = null } = death ?? {};
  return { queue, id: id ?? '-', task: task ?? '-', reason, error, attempts, time, node };
}

function tableOf(found: readonly Found[]): readonly string[] {
  if (found.length === 0) return ['No dead letters.'];
  const rows = found.map(({ queue, letter: { id, task, death } }) => {
    const error = (death?.error ?? '').split('\n')[0] ?? '';
    const cell = error.length > MAX_CELL ? `${error.slice(0, MAX_CELL - 1)}…` : error;
    return [death?.time ?? '-', queue, id ?? '-', task ?? '-', death?.reason ?? UNKNOWN, cell];
  });
  return table(['time', 'queue', 'id', 'task', 'reason', 'error'], rows);
}

/** Everything that a letter tells. */
function inFull({ queue, letter }: Found): readonly string[] {
  const { id, task, death, message: sent } = letter;
  const { argsrepr, kwargsrepr } = sent.headers;
  const shown: readonly (readonly [string, unknown])[] = [
    ['id', id],
    ['task', task],
    ['queue', queue],
    ['died', death?.time],
    ['reason', death?.reason],
    ['starts', death?.attempts],
    ['node', death?.node],
    ['sent to', death === undefined ? undefined : `${death.origin.exchange || '(default)'} ${death.origin.routing_key}`],
    ['args', argsrepr],
    ['kwargs', kwargsrepr],
    ['body', `${sent.body.byteLength} bytes of ${sent.properties.contentType}`],
  ];
  const lines = shown.flatMap(([name, value]) =>
    value === undefined || value === null ? [] : [`${name.padEnd(8)} ${printable(redactText(String(value)))}`],
  );
  const error = death?.error ?? undefined;
  return [
    ...lines,
    ...(error === undefined ? [] : ['error', ...error.split('\n').map((line) => `  ${printable(redactText(line))}`)]),
    '',
  ];
}

function withMessage(found: Found): Record<string, unknown> {
  const { headers, properties, body } = found.letter.message;
  return { ...facts(found), headers: redactData(headers), properties, body };
}

function say(verb: string, done: readonly Found[], wish: Wish, out: Output): number {
  for (const id of wish.ids) {
    if (!done.some(({ letter }) => letter.id === id)) out.warn(`There is no dead letter of task ${printable(id)}.`);
  }
  const count = `${done.length} dead letter${done.length === 1 ? '' : 's'}`;
  out.answer({ total: done.length, letters: done.map(facts) }, [`${verb} ${count}.`]);
  return wish.ids.every((id) => done.some(({ letter }) => letter.id === id)) ? EXIT.ok : EXIT.failure;
}

async function eachQueue(
  app: Lovage,
  wish: Wish,
  work: (
    queue: string,
    options: { readonly where: (letter: DeadLetter) => boolean; readonly limit: number },
  ) => Promise<readonly DeadLetter[]>,
): Promise<readonly Found[]> {
  await reachBroker(app, 'write');
  const done: Found[] = [];
  for (const queue of wish.queues) {
    const letters = await work(queue, { where: wanted(wish), limit: LOOK_AT });
    done.push(...letters.map((letter) => ({ queue, letter })));
  }
  return done;
}

function mustChoose(action: string, wish: Wish, all: boolean): void {
  if (all || chooses(wish)) return;
  throw new ConfigurationError(`dlq ${action}: which dead letters? Name ids, or choose with --task or --reason, or give --all.`);
}

async function purge(app: Lovage, wish: Wish, force: boolean, out: Output): Promise<number> {
  const what = chooses(wish) ? 'the chosen dead letters' : 'every dead letter';
  const question = `Delete ${what} of ${wish.queues.map(printable).join(', ')}?`;
  if (!(await mayDestroy(question, force, out))) return EXIT.failure;
  if (chooses(wish)) {
    return say('Deleted', await eachQueue(app, wish, (queue, options) => app.deadLetters(queue).discard(options)), wish, out);
  }
  await reachBroker(app, 'write');
  const counts = await Promise.all(wish.queues.map((queue) => app.deadLetters(queue).purge()));
  const total = counts.reduce((sum, count) => sum + count, 0);
  out.answer({ total }, [`Deleted ${total} dead letter${total === 1 ? '' : 's'}.`]);
  return EXIT.ok;
}

export const dlq: Command = defineCommand({
  name: 'dlq',
  summary: 'Dead letters: list them, show them in full, send them again, delete them.',
  examples: [
    'lovage -A tasks.ts dlq',
    'lovage -A tasks.ts dlq show 0f3c9f6e-8a6d-4b61-a6a2-1b7a8e6f1c55',
    'lovage -A tasks.ts dlq retry 0f3c9f6e-8a6d-4b61-a6a2-1b7a8e6f1c55',
    "lovage -A tasks.ts dlq retry --task 'mail.*' --reason failed",
    'lovage -A tasks.ts dlq purge -Q payments --all --force',
  ],
  parser,
  run: async ({ action, ids, queues, task, reason, limit, all, force }, { loadApp, out }) => {
    const app = await loadApp();
    const wish: Wish = { ids, queues: queues ?? app.queueNames(), task, reason };
    switch (action) {
      case 'list': {
        const found = await find(app, wish);
        const shown = wish.queues.flatMap((queue) => found.filter((one) => one.queue === queue).slice(0, limit));
        out.answer(shown.map(facts), tableOf(shown));
        return EXIT.ok;
      }
      case 'show': {
        if (ids.length === 0)
          throw new ConfigurationError('dlq show: which dead letters? Name ids of tasks; dlq list shows them.');
        const found = await find(app, wish);
        out.answer(found.map(withMessage), found.flatMap(inFull));
        for (const id of ids) {
          if (!found.some(({ letter }) => letter.id === id)) out.warn(`There is no dead letter of task ${printable(id)}.`);
        }
        return ids.every((id) => found.some(({ letter }) => letter.id === id)) ? EXIT.ok : EXIT.failure;
      }
      case 'retry': {
        mustChoose(action, wish, all);
        return say(
          'Sent again:',
          await eachQueue(app, wish, (queue, options) => app.deadLetters(queue).resend(options)),
          wish,
          out,
        );
      }
      default: {
        mustChoose(action, wish, all);
        return purge(app, wish, force, out);
      }
    }
  },
});
