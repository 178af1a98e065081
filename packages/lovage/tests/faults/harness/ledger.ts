// The ledger of a fault run: a folder of files that outlive every process. Producers note what was confirmed, tasks note that they
// started and ended, the harness notes which final states a reader of the result store saw; judge() then counts what went wrong.
//
// published.log   try|ok|no|maybe, id, seconds since the publish began, time     (written by producers, one line a write)
// runs.log        start|end, id, attempt, worker, time                           (appended by tasks, one line a write)
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** `try` before it is sent; then `ok`: confirmed, `no`: surely not stored, `maybe`: nobody knows. */
export type PublishMark = 'try' | 'ok' | 'no' | 'maybe';

export interface PublishLine {
  readonly mark: PublishMark;
  readonly id: string;
  /** Seconds since the publish began. */
  readonly took: number;
  /** Epoch milliseconds. */
  readonly time: number;
}

export interface RunLine {
  readonly what: 'start' | 'end';
  readonly id: string;
  readonly attempt: number;
  /** Node and incarnation: a process that was started again is another worker. */
  readonly worker: string;
  /** Epoch milliseconds. */
  readonly time: number;
}

/** One final state that the result store showed for an id. Two that differ are two accepted finals. */
export interface Final {
  readonly id: string;
  readonly state: string;
  /** Which execution wrote it: whatever its task returned, as text. */
  readonly by: string;
}

export interface Evidence {
  readonly published: readonly PublishLine[];
  readonly runs: readonly RunLine[];
  readonly finals: readonly Final[];
  /** Ends other than finishing: dead letters, expired, revoked; by id. */
  readonly explained: ReadonlyMap<string, string>;
}

export interface Judgement {
  readonly confirmed: number;
  readonly finished: number;
  /** Confirmed, and neither finished nor explained. */
  readonly lost: readonly string[];
  /** Executions beyond one, counted as starts. */
  readonly doubled: number;
  /** Executed, and nobody ever tried to publish it. */
  readonly phantom: readonly string[];
  /** Two accepted final states of one id. */
  readonly doubleFinal: readonly string[];
  /** Finished, and the result store knows nothing of it. Counted only for ids that were asked for. */
  readonly withoutFinal: readonly string[];
  /** Started, not finished, not explained, not confirmed: a publish that nobody vouched for hangs half done. */
  readonly stuck: readonly string[];
}

/** Counts. Pure: the same evidence gives the same judgement. */
export function judge({ published, runs, finals, explained }: Evidence): Judgement {
  const tried = new Set(published.map(({ id }) => id));
  const confirmed = new Set(published.filter(({ mark }) => mark === 'ok').map(({ id }) => id));
  const finished = new Set(runs.filter(({ what }) => what === 'end').map(({ id }) => id));
  const starts = runs.filter(({ what }) => what === 'start');
  const started = new Set(starts.map(({ id }) => id));
  const seen = new Map<string, Set<string>>();
  for (const { id, state, by } of finals) seen.set(id, (seen.get(id) ?? new Set()).add(`${state} ${by}`));
  const isOver = (id: string): boolean => finished.has(id) || explained.has(id);
  return {
    confirmed: confirmed.size,
    finished: finished.size,
    lost: [...confirmed].filter((id) => !isOver(id)),
    doubled: starts.length - started.size,
    phantom: [...started].filter((id) => !tried.has(id)),
    doubleFinal: [...seen].filter(([, states]) => states.size > 1).map(([id]) => id),
    withoutFinal: finals.length === 0 ? [] : [...finished].filter((id) => !seen.has(id)),
    stuck: [...started].filter((id) => !isOver(id) && !confirmed.has(id)),
  };
}

/** How many executions had started and not ended when the clock showed `time`. */
export function inFlightAt(runs: readonly RunLine[], time: number, worker?: (name: string) => boolean): number {
  let count = 0;
  for (const line of runs) {
    if (line.time > time || worker?.(line.worker) === false) continue;
    count += line.what === 'start' ? 1 : -1;
  }
  return count;
}

export const PUBLISHED = 'published.log';
export const RUNS = 'runs.log';

/** A file that several processes append whole lines to. What was appended outlives the process, not the machine. */
export interface Appender extends Disposable {
  append(lines: readonly string[]): void;
}

export function openAppender(folder: string, file: string): Appender {
  const handle = openSync(join(folder, file), 'a');
  return {
    append: (lines) => {
      writeSync(handle, `${lines.join('\n')}\n`);
    },
    [Symbol.dispose]: () => closeSync(handle),
  };
}

export function publishLine(mark: PublishMark, id: string, took = 0): string {
  return `${mark} ${id} ${took.toFixed(3)} ${Date.now()}`;
}

export function runLine(what: 'start' | 'end', id: string, attempt: number, worker: string): string {
  return `${what} ${id} ${attempt} ${worker} ${Date.now()}`;
}

function lines(folder: string, file: string): string[][] {
  const path = join(folder, file);
  if (!existsSync(path)) return [];
  // What a process wrote when it was killed may lack its end.
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '));
}

export function readPublished(folder: string): PublishLine[] {
  return lines(folder, PUBLISHED).map(([mark, id = '', took, time]) => ({
    mark: mark as PublishMark,
    id,
    took: Number(took),
    time: Number(time),
  }));
}

export function readRuns(folder: string): RunLine[] {
  return lines(folder, RUNS).map(([what, id = '', attempt, worker = '', time]) => ({
    what: what as RunLine['what'],
    id,
    attempt: Number(attempt),
    worker,
    time: Number(time),
  }));
}
