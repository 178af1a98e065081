import { describe, expect, test } from 'vitest';
import { FRAME, type Frame, FrameReader, FrameWriter } from '../../../src/pool/frames.ts';
import { abortReasonOf, errorOf, type Parts, readJob, readOutcome, writeJob, writeOutcome } from '../../../src/pool/wire.ts';
import type { Outcome } from '../../../src/task/index.ts';
import { BrokerConnectionError, ShutdownError, TaskRevokedError } from '../../../src/util/index.ts';
import { jobOf, outcomeOf } from '../../support/jobs.ts';

/** The frame that these parts arrive as. */
function arrived({ head, body }: Parts): Frame {
  const seen: Frame[] = [];
  const reader = new FrameReader((frame) => seen.push(frame));
  const writer = new FrameWriter((bytes) => {
    reader.push(Buffer.from(bytes));
    return false;
  });
  writer.send(FRAME.job, 1, head, body);
  writer.flush();
  const [frame] = seen;
  if (frame === undefined) throw new Error('nothing came');
  return frame;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const record = {
  id: 'a',
  state: 'SUCCESS',
  body: bytes('{}'),
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  attempt: 1,
};

describe('a job', () => {
  test.each([
    {},
    { headers: { 'x-tenant': 'a', deep: { list: [1, 'two', null, true] } } },
    { headers: { when: new Date(5), big: 2n ** 70n, bytes: bytes('b'), nothing: Number.NaN } },
    { stamps: { at: [new Date(7)] } },
    { properties: { timestamp: -0 } },
    { headers: { list: [undefined] } },
  ])('keeps what its request holds: %o', (fields) => {
    const job = jobOf('t', { timeLimit: 3 }, fields);
    const read = readJob(arrived(writeJob(job, { lane: 2, announce: true, waits: true })));
    expect([read.lane, read.announce, read.waits]).toEqual([2, true, true]);
    expect({ ...read.job, body: new Uint8Array(read.job.body) }).toEqual({ ...job, softTimeLimit: undefined });
  });
});

/** As plain data; bytes are bytes, in whichever class. */
const shown = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, item: unknown) => {
      if (item instanceof Uint8Array) return [...item];
      return typeof item === 'object' && item !== null && 'data' in item ? item.data : item;
    }),
  );

describe('an outcome', () => {
  const message = { exchange: '', routingKey: 'q', headers: { at: new Date(3) }, properties: {}, body: bytes('next') };
  const outcomes: readonly Outcome[] = [
    outcomeOf('SUCCESS', { results: [record] }),
    outcomeOf('IGNORED'),
    outcomeOf('REJECTED', { requeue: true }),
    outcomeOf('FAILURE', {
      results: [record, { ...record, id: 'b', expires: 5 }],
      error: { type: 'E', message: 'm', traceback: 't', expected: false },
    }),
    outcomeOf('RETRY', { next: [message] as unknown as Outcome['next'] }),
    outcomeOf('SUCCESS', {
      results: [record],
      parts: [
        { groupId: 'g', index: 1, id: 'a', state: 'SUCCESS', body: bytes('[1]'), head: 1, callback: undefined, expires: 3 },
      ],
    }),
  ];

  test.each(outcomes)('comes back as it was: $state', (outcome) => {
    for (const left of [false, true]) {
      const read = readOutcome(arrived(writeOutcome(outcome, { left, began: !left })));
      expect([read.left, read.began]).toEqual([left, !left]);
      expect(shown(read.outcome)).toEqual(shown(outcome));
      expect(read.outcome.results.every(({ body }) => body instanceof Uint8Array)).toBe(true);
    }
  });
});

test('what follows a task and has headers that are no data goes on with those that are', () => {
  const headers = { kept: { deep: [1] }, lost: () => 1 };
  const message = { exchange: '', routingKey: 'q', headers, properties: {}, body: bytes('next') };
  const outcome = outcomeOf('RETRY', { next: [message] as unknown as Outcome['next'] });
  const [next] = readOutcome(arrived(writeOutcome(outcome, { left: false, began: true }))).outcome.next;
  expect(next?.headers).toEqual({ kept: { deep: [1] } });
});

test('a reason to stop is an error of the same class on the other side', () => {
  const killed = new TaskRevokedError('no', { signal: 'SIGKILL' });
  expect(errorOf(abortReasonOf(killed))).toMatchObject({ name: 'TaskRevokedError', message: 'no', signal: 'SIGKILL' });
  expect(errorOf(abortReasonOf(new BrokerConnectionError('gone')))).toBeInstanceOf(BrokerConnectionError);
  expect(errorOf(abortReasonOf(new Error('plain')))).toBeInstanceOf(ShutdownError);
});
