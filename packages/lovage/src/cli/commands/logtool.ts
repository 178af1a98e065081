// `lovage logtool`: what worker logs say: counts, failures with their tracebacks, errors, tasks that never ended.
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple } from '@optique/core/modifiers';
import { argument } from '@optique/core/primitives';
import { choice, string } from '@optique/core/valueparser';
import { type Command, type CommandContext, defineCommand, EXIT } from '../define.ts';
import { type LogRecord, readLogs, type TaskEnd, type TaskLine, taskLineOf } from '../log/records.ts';
import { type Output, printable, table, toJson } from '../output.ts';

interface TaskCounts extends Record<'received' | TaskEnd, number> {
  runtime: number;
  longest: number;
}

const none = (): TaskCounts => ({
  ...{ received: 0, succeeded: 0, failed: 0, retried: 0, ignored: 0, rejected: 0, discarded: 0 },
  ...{ runtime: 0, longest: 0 },
});

const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;

async function stats(records: AsyncIterable<LogRecord>, { out }: CommandContext): Promise<void> {
  const tasks = new Map<string, TaskCounts>();
  const levels: Record<string, number> = {};
  let lines = 0;
  for await (const record of records) {
    lines += 1;
    levels[record.level] = (levels[record.level] ?? 0) + 1;
    const line = taskLineOf(record);
    if (line === undefined) continue;
    const counts = tasks.get(line.name) ?? none();
    tasks.set(line.name, counts);
    counts[line.what] += 1;
    counts.runtime += line.runtime ?? 0;
    counts.longest = Math.max(counts.longest, line.runtime ?? 0);
  }
  const names = [...tasks.keys()].sort();
  const rows = names.map((name) => {
    const { received, succeeded, failed, retried, runtime, longest, ...rest } = tasks.get(name) ?? none();
    const other = rest.ignored + rest.rejected + rest.discarded;
    const mean = succeeded === 0 ? 0 : runtime / succeeded;
    return { name, received, succeeded, failed, retried, other, meanRuntime: rounded(mean), longestRuntime: rounded(longest) };
  });
  const head = ['task', 'received', 'succeeded', 'failed', 'retried', 'other', 'mean s', 'longest s'];
  const shown = rows.map(({ name, ...numbers }) => [name, ...Object.values(numbers)]);
  const byLevel = Object.entries(levels).map(([level, count]) => `${count} ${level}`);
  out.answer({ records: lines, levels, tasks: rows }, [
    ...(rows.length === 0 ? ['No tasks in these logs.'] : table(head, shown)),
    '',
    `${lines} record${lines === 1 ? '' : 's'}${byLevel.length === 0 ? '' : `: ${byLevel.join(', ')}`}.`,
  ]);
}

const textOf = ({ time, level, process, message: first, more }: LogRecord): readonly string[] =>
  [`[${time}: ${level}/${process}] ${first}`, ...more].map(printable);

/** Prints records as they are found, or as JSON at the end of all. */
async function print(
  records: AsyncIterable<LogRecord>,
  wanted: (record: LogRecord, line: TaskLine | undefined) => boolean,
  out: Output,
): Promise<void> {
  const found: string[] = [];
  for await (const record of records) {
    const line = taskLineOf(record);
    if (!wanted(record, line)) continue;
    if (out.json) found.push(toJson({ ...record, ...(line === undefined ? {} : { task: line.name, id: line.id }) }));
    else
      process.stdout.write(
        textOf(record)
          .map((text) => `${text}\n`)
          .join(''),
      );
  }
  if (out.json) process.stdout.write(`[${found.join(',')}]\n`);
}

/** Tasks that were received and of whose end nothing is said; one that is to be tried again has not ended either. */
async function incomplete(records: AsyncIterable<LogRecord>, { out }: CommandContext): Promise<number> {
  const open = new Map<string, TaskLine & { readonly time: string }>();
  for await (const record of records) {
    const line = taskLineOf(record);
    if (line === undefined) continue;
    if (line.what === 'received' || line.what === 'retried') open.set(line.id, { ...line, time: record.time });
    else open.delete(line.id);
  }
  const left = [...open.values()];
  out.answer(
    left.map(({ id, name, what, time }) => ({ id, name, last: what, time })),
    left.length === 0
      ? ['Every task that was received came to an end.']
      : table(
          ['last heard', 'id', 'task', 'last'],
          left.map(({ id, name, what, time }) => [time, id, name, what]),
        ),
  );
  return left.length === 0 ? EXIT.ok : EXIT.failure;
}

const SERIOUS: ReadonlySet<string> = new Set(['ERROR', 'CRITICAL', 'FATAL']);

export const logtool: Command = defineCommand({
  name: 'logtool',
  summary: 'Read worker logs: counts by task, failures, errors, tasks that never ended.',
  examples: [
    'lovage logtool stats /var/log/lovage/*.log',
    'lovage logtool traces worker.log',
    'lovage logtool incomplete worker.log --json',
    'journalctl -u shop-worker -o cat | lovage logtool errors -',
  ],
  parser: object({
    what: argument(choice(['stats', 'traces', 'errors', 'incomplete', 'debug']), {
      description: message`stats: counts by task. traces: failures of tasks, with tracebacks. errors: every error. incomplete: tasks without an end (exit code 1 when there are some). debug: what is about no task.`,
    }),
    files: multiple(
      argument(string({ metavar: 'FILE' }), {
        description: message`Logs of Lovage (text or JSON) or of Celery; - is standard input.`,
      }),
      { min: 1, errors: { tooFew: message`Expected a \`FILE\`, but too few arguments` } },
    ),
  }),
  run: async ({ what, files }, context) => {
    const records = readLogs(files);
    const { out } = context;
    switch (what) {
      case 'stats':
        await stats(records, context);
        return EXIT.ok;
      case 'incomplete':
        return incomplete(records, context);
      case 'traces':
        await print(records, (_, line) => line?.what === 'failed', out);
        return EXIT.ok;
      case 'errors':
        await print(records, ({ level }) => SERIOUS.has(level), out);
        return EXIT.ok;
      default:
        await print(records, (_, line) => line === undefined, out);
        return EXIT.ok;
    }
  },
});
