// The acknowledgement matrix, row by row.
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/broker/index.ts';
import { policyOf, type TaskPolicy } from '../../../src/consumer/policy.ts';
import { fateOf } from '../../../src/consumer/verdict.ts';
import type { Outcome } from '../../../src/task/index.ts';
import { outcomeOf } from '../../support/jobs.ts';
import { settings, storedOf } from '../../support/worker-app.ts';

const original: Delivery = {
  exchange: 'x',
  routingKey: 'k',
  queue: 'celery',
  headers: { task: 't', id: 'a' },
  properties: { contentType: 'application/json', contentEncoding: 'utf-8' },
  body: new Uint8Array([1]),
  redelivered: false,
  attempts: 1,
  generation: 1,
  tag: 1,
};
const results = [storedOf('a', 'FAILURE')];
const error = { type: 'ValueError', message: 'bad', traceback: undefined, expected: false };
const failure = outcomeOf('FAILURE', { results, error });
const timeout = outcomeOf('FAILURE', { results, error: { ...error, type: 'TimeLimitExceeded', timedOut: true } });
const soft = outcomeOf('FAILURE', { results, error: { ...error, type: 'SoftTimeLimitExceeded', timedOut: true } });

interface Row {
  readonly row: string;
  readonly outcome: Outcome;
  readonly policy?: Partial<TaskPolicy>;
  readonly interrupted?: boolean;
  /** Verdict of the late ack, and whether the results are written. */
  readonly late: readonly [Record<string, unknown>, 'stored' | 'nothing' | 'lost'];
  /** What is written after an early ack. */
  readonly early: 'stored' | 'nothing' | 'lost' | 'again';
}

const rows: readonly Row[] = [
  { row: 'success', outcome: outcomeOf('SUCCESS', { results }), late: [{ verdict: 'ack' }, 'stored'], early: 'stored' },
  { row: 'exception', outcome: failure, late: [{ verdict: 'ack' }, 'stored'], early: 'stored' },
  {
    row: 'exception, acksOnFailure off',
    outcome: failure,
    policy: { acksOnFailure: false },
    late: [{ verdict: 'deadLetter', reason: 'failed', error: 'ValueError: bad' }, 'stored'],
    early: 'stored',
  },
  { row: 'retry', outcome: outcomeOf('RETRY', { results }), late: [{ verdict: 'ack' }, 'stored'], early: 'stored' },
  { row: 'ignore', outcome: outcomeOf('IGNORED'), late: [{ verdict: 'ack' }, 'nothing'], early: 'nothing' },
  {
    row: 'reject',
    outcome: outcomeOf('REJECTED', { results }),
    late: [{ verdict: 'deadLetter', reason: 'rejected' }, 'stored'],
    early: 'stored',
  },
  {
    row: 'reject with requeue',
    outcome: outcomeOf('REJECTED', { requeue: true }),
    late: [{ verdict: 'requeue', counted: true }, 'nothing'],
    early: 'again',
  },
  { row: 'soft limit', outcome: soft, policy: { acksOnTimeout: false }, late: [{ verdict: 'ack' }, 'stored'], early: 'stored' },
  { row: 'hard limit', outcome: timeout, late: [{ verdict: 'ack' }, 'stored'], early: 'stored' },
  {
    row: 'hard limit, acksOnTimeout off',
    outcome: timeout,
    policy: { acksOnTimeout: false },
    late: [{ verdict: 'requeue', counted: true }, 'nothing'],
    early: 'stored',
  },
  { row: 'worker lost', outcome: outcomeOf('LOST'), late: [{ verdict: 'requeue', counted: true }, 'nothing'], early: 'lost' },
  {
    row: 'worker lost, rejectOnWorkerLost off',
    outcome: outcomeOf('LOST'),
    policy: { rejectOnWorkerLost: false },
    late: [{ verdict: 'ack' }, 'lost'],
    early: 'lost',
  },
  { row: 'revoked', outcome: outcomeOf('REVOKED', { results }), late: [{ verdict: 'ack' }, 'stored'], early: 'stored' },
  {
    row: 'interrupted by a shutdown',
    outcome: failure,
    interrupted: true,
    late: [{ verdict: 'requeue', counted: false }, 'nothing'],
    early: 'lost',
  },
  {
    row: 'interrupted, but it had succeeded',
    outcome: outcomeOf('SUCCESS', { results }),
    interrupted: true,
    late: [{ verdict: 'ack' }, 'stored'],
    early: 'stored',
  },
  {
    row: 'unusable body',
    outcome: outcomeOf('FAILURE', { results, unusable: { reason: 'undecodable', error: 'no JSON' } }),
    late: [{ verdict: 'deadLetter', reason: 'undecodable', error: 'no JSON' }, 'stored'],
    early: 'stored',
  },
];

describe('the fate of a message', () => {
  it.each(rows)('$row, acked late', ({ outcome, policy, interrupted = false, late: [answer, written] }) => {
    const fate = fateOf(outcome, { policy: { ...policyOf('t', {}, settings), ...policy }, acked: false, interrupted, original });
    expect(fate.answer).toMatchObject(answer);
    expect(fate.lost).toBe(written === 'lost');
    expect(fate.results).toEqual(written === 'stored' ? outcome.results : []);
  });

  it.each(rows)('$row, acked early', ({ outcome, policy, interrupted = false, early }) => {
    const fate = fateOf(outcome, { policy: { ...policyOf('t', {}, settings), ...policy }, acked: true, interrupted, original });
    expect(fate.lost).toBe(early === 'lost');
    expect(fate.results).toEqual(early === 'stored' ? outcome.results : []);
    expect(fate.next).toHaveLength(early === 'again' ? 1 : 0);
  });

  it('sends a task that asked to be requeued after its early ack once more to its queue', () => {
    const [again] = fateOf(outcomeOf('REJECTED', { requeue: true }), {
      policy: policyOf('t', { acksLate: false }, settings),
      acked: true,
      interrupted: false,
      original,
    }).next;
    expect(again).toEqual({
      exchange: '',
      routingKey: 'celery',
      headers: original.headers,
      properties: original.properties,
      body: original.body,
    });
  });
});

describe('the policy of a task', () => {
  it.each([
    [{}, { acksLate: true, acksOnFailure: true, acksOnTimeout: true, rejectOnWorkerLost: true }],
    [{ acksLate: false }, { acksLate: false }],
    [{ acksOnFailure: false }, { acksOnFailure: false, acksOnTimeout: true }],
    [{ rejectOnWorkerLost: false }, { rejectOnWorkerLost: false }],
    [
      { timeLimit: 4, softTimeLimit: 2 },
      { timeLimit: 4, softTimeLimit: 2 },
    ],
  ])('of %j is %j', (options, expected) => {
    expect(policyOf('t', options, settings)).toMatchObject(expected);
  });

  it('falls back to the one setting for failures and time-outs', () => {
    const policy = policyOf('t', {}, { ...settings, taskAcksOnFailureOrTimeout: false, taskAcksOnTimeout: true });
    expect(policy).toMatchObject({ acksOnFailure: false, acksOnTimeout: true });
  });
});

it('a soft limit that comes no earlier than the hard one is left out', () => {
  expect(policyOf('t', { softTimeLimit: 5, timeLimit: 5 }, settings)).toMatchObject({ softTimeLimit: undefined, timeLimit: 5 });
  expect(policyOf('t', { softTimeLimit: 4 }, { ...settings, taskTimeLimit: 5 })).toMatchObject({
    softTimeLimit: 4,
    timeLimit: 5,
  });
});
