// The judge of the fault runs must be able to find each kind of wrong, or its zeros say nothing.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type Evidence,
  type Final,
  inFlightAt,
  judge,
  openAppender,
  PUBLISHED,
  type PublishMark,
  publishLine,
  RUNS,
  type RunLine,
  readPublished,
  readRuns,
  runLine,
} from '../../faults/harness/ledger.ts';

const published = (mark: PublishMark, ...ids: readonly string[]) => ids.map((id) => ({ mark, id, took: 0, time: 1 }));
const run = (what: RunLine['what'], id: string, attempt = 1, worker = 'w/1', time = 1): RunLine => ({
  what,
  id,
  attempt,
  worker,
  time,
});
const whole = (id: string): readonly RunLine[] => [run('start', id), run('end', id)];
const final = (id: string, by: string, state = 'SUCCESS'): Final => ({ id, state, by });

function judged(evidence: Partial<Evidence>): ReturnType<typeof judge> {
  return judge({ published: [], runs: [], finals: [], explained: new Map(), ...evidence });
}

test('a run without a fault counts nothing', () => {
  const found = judged({
    published: [...published('try', 'a', 'b'), ...published('ok', 'a', 'b')],
    runs: [...whole('a'), ...whole('b')],
    finals: [final('a', 'w/1'), final('b', 'w/1'), final('a', 'w/1')],
  });
  expect(found).toEqual({
    confirmed: 2,
    finished: 2,
    lost: [],
    doubled: 0,
    phantom: [],
    doubleFinal: [],
    withoutFinal: [],
    stuck: [],
  });
});

test('what was confirmed and never finished is lost, unless it is explained', () => {
  const evidence = { published: published('ok', 'never', 'half', 'dead'), runs: [run('start', 'half')] };
  expect(judged({ ...evidence, explained: new Map([['dead', 'rejected']]) }).lost).toEqual(['never', 'half']);
});

test('what was not confirmed cannot be lost', () => {
  expect(
    judged({ published: [...published('try', 'a', 'b'), ...published('no', 'a'), ...published('maybe', 'b')] }).lost,
  ).toEqual([]);
});

test('each start beyond the first of an id is one doubled execution, ended or not', () => {
  const runs = [...whole('a'), run('start', 'a', 2, 'w/2'), run('start', 'a', 3, 'w/3'), ...whole('b')];
  expect(judged({ published: published('try', 'a', 'b'), runs }).doubled).toBe(2);
});

test('what ran and was never sent is a phantom', () => {
  expect(judged({ published: published('try', 'a'), runs: [...whole('a'), ...whole('ghost')] }).phantom).toEqual(['ghost']);
});

test('two final states of one id that differ are two accepted finals, whether the state differs or who wrote it', () => {
  const found = judged({
    finals: [final('a', 'w/1'), final('a', 'w/2'), final('b', 'w/1'), final('b', 'w/1', 'FAILURE'), final('c', 'w/1')],
  });
  expect(found.doubleFinal).toEqual(['a', 'b']);
});

test('what finished and has no result is found as soon as results were asked for', () => {
  const evidence = { published: published('ok', 'a', 'b'), runs: [...whole('a'), ...whole('b')] };
  expect(judged({ ...evidence, finals: [final('a', 'w/1')] }).withoutFinal).toEqual(['b']);
  expect(judged(evidence).withoutFinal).toEqual([]);
});

test('what started without a confirm and hangs is stuck', () => {
  expect(judged({ published: published('maybe', 'a'), runs: [run('start', 'a')] }).stuck).toEqual(['a']);
});

test('in flight is what had started and not ended at the moment', () => {
  const runs = [run('start', 'a', 1, 'x/1', 10), run('start', 'b', 1, 'y/2', 11), run('end', 'a', 1, 'x/1', 20)];
  expect([inFlightAt(runs, 9), inFlightAt(runs, 15), inFlightAt(runs, 20)]).toEqual([0, 2, 1]);
  expect(inFlightAt(runs, 15, (worker) => worker.startsWith('y/'))).toBe(1);
});

test('what was written is read again, but for a line without its end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lovage-ledger-'));
  try {
    using sent = openAppender(folder, PUBLISHED);
    using ran = openAppender(folder, RUNS);
    sent.append([publishLine('try', 'a'), publishLine('maybe', 'a', 3.2)]);
    ran.append([runLine('start', 'a', 2, 'w/1')]);
    appendFileSync(join(folder, RUNS), 'end a 2 w/1 17');
    expect(readPublished(folder)).toMatchObject([
      { mark: 'try', id: 'a' },
      { mark: 'maybe', id: 'a', took: 3.2 },
    ]);
    expect(readRuns(folder)).toMatchObject([{ what: 'start', id: 'a', attempt: 2, worker: 'w/1' }]);
    expect(readRuns(join(folder, 'elsewhere'))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
