// The table of docs/reliability.md, out of the rows that runs have written.
import {
  brokenPromises,
  lateness,
  PEERS,
  type Scenario,
  type ScenarioContext,
  type ScenarioResult,
  STACKS,
  type StackName,
} from './scenario.ts';

/** One run, as a line of the results file. */
export interface Row extends ScenarioResult {
  readonly scenario: string;
  readonly stack: StackName;
  readonly seed: number;
  readonly scale: 'short' | 'long';
  /** Why a peer's run did not come to its end; what it counted until then says nothing. */
  readonly unfinished?: string;
}

const BEGIN = '<!-- faults:begin (written by npm run test:faults) -->';
const END = '<!-- faults:end -->';

/** Longest reason that a cell of the table shows. */
const REASON_LENGTH = 120;

/** The row of a run that threw: its reason is the error's first sentence, without the place of the ledger. */
export function unfinishedRow(scenario: Scenario, context: ScenarioContext, error: unknown): Row {
  const [text = ''] = (error instanceof Error ? error.message : String(error)).replace(/\.? Ledger: .*/s, '').split('\n');
  const counts = { lost: 0, doubled: 0, phantom: 0, doubleFinal: 0, inFlight: 0, recoverySeconds: [], violations: [] };
  return { scenario: scenario.id, ...context, ...counts, unfinished: text.replaceAll('|', '/').slice(0, REASON_LENGTH) };
}

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

/** Those that did not come to their end, with the reason of the first. */
function unfinishedRuns(rows: readonly Row[]): string {
  const reasons = rows.flatMap(({ unfinished }) => unfinished ?? []);
  return reasons.length === 0 ? '' : `${reasons.length} of ${rows.length} runs did not come to an end (${reasons[0]})`;
}

/** Half of them, and nearly all of them, were no slower. */
function twoPercentiles(values: readonly number[]): string {
  return values.length === 0 ? '–' : `${seconds(percentile(values, 0.5))} / ${seconds(percentile(values, 0.99))}`;
}

function line(scenario: Scenario, stack: StackName, all: readonly Row[]): string {
  const rows = all.filter(({ unfinished }) => unfinished === undefined);
  // JSON has no infinity: null stands for what never came back.
  const recovery = (scale: Row['scale']): readonly number[] =>
    rows.flatMap((row) => (row.scale === scale ? row.recoverySeconds.map((value: number | null) => value ?? NEVER) : []));
  const runs = (['short', 'long'] as const).map((scale) => all.filter((row) => row.scale === scale).length);
  const noticed = rows.flatMap(({ detectionSeconds }) => detectionSeconds ?? []);
  const counted = (count: (row: Row) => number): string => (rows.length === 0 ? '–' : `${sum(rows.map(count))}`);
  const doubled = counted((row) => row.doubled);
  const inFlight = sum(rows.map((row) => row.inFlight));
  const notes = [...new Set(rows.flatMap(({ note }) => note ?? []))].join('; ');
  const said = [PEERS.has(stack) ? '' : brokenRuns(rows), unfinishedRuns(all), observed(rows), notes];
  const cells = [
    scenario.title,
    stack,
    runs.join(' + '),
    counted(({ lost }) => lost),
    Number(doubled) > 0 ? `${doubled} of ${inFlight}` : doubled,
    counted(({ phantom }) => phantom),
    counted(({ doubleFinal }) => doubleFinal),
    seconds(percentile(noticed, 0.5)),
    ...(['short', 'long'] as const).map((scale) => twoPercentiles(recovery(scale))),
    said.filter((text) => text !== '').join('; '),
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
