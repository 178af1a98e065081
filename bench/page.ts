// The table of docs/performance.md, between its markers.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { findBinary } from '../scripts/servers/index.ts';
import type { Spread } from './lib/stats.ts';
import { type Goal, ROWS, type Row } from './rows.ts';

export interface Outcome {
  readonly row: Row;
  readonly figures: ReadonlyMap<string, Spread>;
  /** CPU time of the worker, microseconds a task. */
  readonly costs: ReadonlyMap<string, Spread>;
  readonly rounds: number;
}

const PAGE = join(import.meta.dirname, '../docs/performance.md');
const [BEGIN, END] = ['<!-- bench: begin -->', '<!-- bench: end -->'];

const digits = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value >= 10 ? value.toFixed(1) : value.toFixed(2);
const shown = ({ median, min, max }: Spread): string => `${digits(median)} (${digits(min)}–${digits(max)})`;

/** How many times better the first is: rates over each other, times the other way round. */
function ratioOf(row: Row, first: Spread | undefined, other: Spread | undefined): number | undefined {
  if (first === undefined || other === undefined) return undefined;
  return row.unit === 'perSecond' ? first.median / other.median : other.median / first.median;
}

function goalText(outcome: Outcome, goal: Goal): string {
  const ratio = ratioOf(outcome.row, outcome.figures.get('Lovage'), outcome.figures.get(goal.peer));
  if (ratio === undefined) return '';
  const slower = goal.ratio < 1;
  const text = slower
    ? `${digits(1 / ratio)}× of ${goal.peer}, goal ≤ ${digits(1 / goal.ratio)}×`
    : `${digits(ratio)}× ${goal.peer}, goal ≥ ${digits(goal.ratio)}×`;
  return `${text}: ${ratio >= goal.ratio ? 'reached' : '**missed**'}`;
}

function goalsOf(outcome: Outcome): string {
  const { row, figures } = outcome;
  const texts = row.goals.map((goal) => goalText(outcome, goal));
  const own = figures.get('Lovage');
  if (row.atMost !== undefined && own !== undefined)
    texts.push(`${digits(own.median)} ms, goal ≤ ${row.atMost} ms: ${own.median <= row.atMost ? 'reached' : '**missed**'}`);
  if (row.atLeast !== undefined && own !== undefined)
    texts.push(
      `${digits(own.median)} /s, goal ≥ ${row.atLeast.toLocaleString('en-US')} /s: ${own.median >= row.atLeast ? 'reached' : '**missed**'}`,
    );
  return texts.filter((text) => text !== '').join('; ');
}

const UNITS = { perSecond: '/s', p50: 'ms', milliseconds: 'ms', mebibytes: 'MiB' };

const HEAD = [
  '| row | peer | median (min–max) | Lovage is | worker CPU, µs/task | rounds | goal |',
  '| --- | --- | --- | --- | --- | --- | --- |',
];

/** The lines of one row: Lovage first, with the row's title. */
function linesOf(outcome: Outcome): readonly string[] {
  const { row, figures, costs, rounds } = outcome;
  return [...figures].map(([name, figure]) => {
    const first = name === 'Lovage';
    const ratio = first ? undefined : ratioOf(row, figures.get('Lovage'), figure);
    const cost = costs.get(name);
    const cells = [
      first ? `**${row.title}**` : '',
      name,
      `${shown(figure)} ${UNITS[row.unit]}`,
      ratio === undefined ? '' : `${digits(ratio)}×`,
      cost === undefined ? '' : digits(cost.median),
      first ? `${rounds}` : '',
      first ? goalsOf(outcome) : '',
    ];
    return `| ${cells.join(' | ')} |`;
  });
}

export function table(outcomes: readonly Outcome[]): string {
  return [...HEAD, ...outcomes.flatMap(linesOf)].join('\n');
}

/** Lines of the page's own table by the titles of their rows. */
function knownLines(page: string): Map<string, string[]> {
  const known = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of page.split('\n').filter((each) => each.startsWith('| ') && !HEAD.includes(each))) {
    const title = /^\| \*\*(.+?)\*\* \|/.exec(line)?.[1];
    if (title !== undefined) {
      lines = [];
      known.set(title, lines);
    }
    lines.push(line);
  }
  return known;
}

/** The table with these outcomes in their rows, and all other rows as the page has them. */
export function mergedTable(page: string, outcomes: readonly Outcome[]): string {
  const known = knownLines(page);
  const fresh = new Map(outcomes.map((outcome) => [outcome.row.title, linesOf(outcome)]));
  return [...HEAD, ...ROWS.flatMap(({ title }) => fresh.get(title) ?? known.get(title) ?? [])].join('\n');
}

const versionOf = (name: string): string =>
  (JSON.parse(readFileSync(join(import.meta.dirname, `node_modules/${name}/package.json`), 'utf8')) as { version: string })
    .version;

const outputOf = (command: string, args: readonly string[]): string => execFileSync(command, args, { encoding: 'utf8' }).trim();

function setting(): string {
  const celery = outputOf('/usr/bin/python3', [
    '-c',
    'import celery, kombu, redis; print(celery.__version__, kombu.__version__, redis.__version__)',
  ]);
  const [celeryVersion, kombu, redisPy] = celery.split(' ');
  const redis = /v=(\S+)/.exec(outputOf(findBinary('redis-server') ?? 'redis-server', ['--version']))?.[1];
  const rabbit = /Version: (\S+)/.exec(outputOf('dpkg-query', ['-s', 'rabbitmq-server']))?.[1];
  return [
    `${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}; clients, workers and broker share them.`,
    `Redis ${redis} without persistence, RabbitMQ ${rabbit} with durable classic queues and persistent messages.`,
    `BullMQ ${versionOf('bullmq')} (\`removeOnComplete: true\`; 10,000 kept where the caller waits), bee-queue ${versionOf('bee-queue')}`,
    `(\`removeOnSuccess: true\`), ioredis ${versionOf('ioredis')}; Celery ${celeryVersion} (Debian's; kombu ${kombu}, redis-py ${redisPy}): prefork with 2`,
    'processes, prefetch multiplier 4, late ack. Workers on Node run 100 tasks at once. Arguments are about 60 bytes. Drains are of 80,000',
    'no-op tasks that wait before the worker starts; the first 40,000 warm it up, the second are counted (Celery: half of 6,000 to 12,000).',
    'A hundred canvases come before the hundred that are counted, 10,000 gets before 10,000, and a quarter of what is enqueued: all peers are warm.',
    'Before 3,000 hashing tasks (Celery: 1,000) as many more warm up, and on Lovage 20,000 that hash once: V8 compiles for seconds.',
  ].join('\n');
}

/** Writes the rows that were measured into the table between the markers of the page; the others stay. */
export function writePage(outcomes: readonly Outcome[]): void {
  const text = readFileSync(PAGE, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no markers ${BEGIN} … ${END}`);
  const merged = mergedTable(text.slice(from, to), outcomes);
  const made = `${BEGIN}\nMade by \`npm run bench -- --write\`: the peers of a row in turn, round by round; median (min–max).\n\n${setting()}\n\n${merged}\n`;
  writeFileSync(PAGE, text.slice(0, from) + made + text.slice(to));
}
