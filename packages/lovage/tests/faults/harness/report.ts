// The table of docs/reliability.md, out of the rows that runs have written.
import { brokenPromises, lateness, PEERS, type Scenario, type ScenarioResult, STACKS, type StackName } from './scenario.ts';

/** One run, as a line of the results file. */
export interface Row extends ScenarioResult {
  readonly scenario: string;
  readonly stack: StackName;
  readonly seed: number;
  readonly scale: 'short' | 'long';
}

const BEGIN = '<!-- faults:begin (written by npm run test:faults) -->';
const END = '<!-- faults:end -->';

/** The value below which `part` of the values lie; undefined of none. */
export function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const NEVER = Number.POSITIVE_INFINITY;

function seconds(value: number | undefined): string {
  if (value === undefined) return '–';
  return value === NEVER ? 'never' : value.toFixed(value < 10 ? 2 : 1);
}

function brokenRuns(rows: readonly Row[]): string {
  const broken = rows.filter((row) => brokenPromises(row).length > 0).length;
  return broken === 0 ? '' : `${broken} of ${rows.length} runs broke the promise`;
}

/** What else was seen, each once: figures differ from run to run, so the first of a kind stands for all. */
function observed(rows: readonly Row[]): string {
  const kinds = new Map<string, string>();
  for (const text of rows.flatMap((row) => [...row.violations, ...lateness(row)])) {
    const kind = text.replaceAll(/\d+(\.\d+)?/g, '#');
    if (!kinds.has(kind)) kinds.set(kind, text);
  }
  return [...kinds.values()].join('; ');
}

/** Half of them, and nearly all of them, were no slower. */
function twoPercentiles(values: readonly number[]): string {
  return values.length === 0 ? '–' : `${seconds(percentile(values, 0.5))} / ${seconds(percentile(values, 0.99))}`;
}

function line(scenario: Scenario, stack: StackName, rows: readonly Row[]): string {
  // JSON has no infinity: null stands for what never came back.
  const recovery = (scale: Row['scale']): readonly number[] =>
    rows.flatMap((row) => (row.scale === scale ? row.recoverySeconds.map((value: number | null) => value ?? NEVER) : []));
  const runs = (['short', 'long'] as const).map((scale) => rows.filter((row) => row.scale === scale).length);
  const noticed = rows.flatMap(({ detectionSeconds }) => detectionSeconds ?? []);
  const doubled = sum(rows.map((row) => row.doubled));
  const inFlight = sum(rows.map((row) => row.inFlight));
  const notes = [...new Set(rows.flatMap(({ note }) => note ?? []))].join('; ');
  const cells = [
    scenario.title,
    stack,
    runs.join(' + '),
    `${sum(rows.map(({ lost }) => lost))}`,
    doubled === 0 ? '0' : `${doubled} of ${inFlight}`,
    `${sum(rows.map(({ phantom }) => phantom))}`,
    `${sum(rows.map(({ doubleFinal }) => doubleFinal))}`,
    seconds(percentile(noticed, 0.5)),
    ...(['short', 'long'] as const).map((scale) => twoPercentiles(recovery(scale))),
    [PEERS.has(stack) ? '' : brokenRuns(rows), observed(rows), notes].filter((text) => text !== '').join('; '),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The lines of a table by fault and broker: its first two cells. */
function earlierLines(table: string): ReadonlyMap<string, string> {
  const lines = table.split('\n').filter((text) => text.startsWith('| '));
  return new Map(lines.map((text) => [text.split(' | ', 2).join(' | '), text]));
}

/** Fault × broker, in the order of the scenarios. A line of `earlier`, an older table, stays where there is no run to replace it. */
function renderTable(scenarios: readonly Scenario[], rows: readonly Row[], earlier = ''): string {
  const head = [
    '| fault | broker | runs (short + long) | lost | doubled (of in flight) | phantom | two finals | noticed p50 (s) | recovery p50 / p99 (s), short | long | |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  const kept = earlierLines(earlier);
  const body = scenarios.flatMap((scenario) =>
    STACKS.flatMap((stack) => {
      const mine = rows.filter((row) => row.scenario === scenario.id && row.stack === stack);
      return mine.length > 0 ? [line(scenario, stack, mine)] : (kept.get(`| ${scenario.title} | ${stack}`) ?? []);
    }),
  );
  return [...head, ...body].join('\n');
}

/** The page with the table between its marks made anew from these runs. */
export function withRuns(page: string, scenarios: readonly Scenario[], rows: readonly Row[]): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`The page lacks the marks ${BEGIN} and ${END}.`);
  const table = renderTable(scenarios, rows, page.slice(begin, end));
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}
