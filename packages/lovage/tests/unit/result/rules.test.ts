// The write rule, and the state that stores read without decoding.
import { describe, expect, it } from 'vitest';
import { attemptNumber, READY_STATES } from '../../../src/result/index.ts';
import { mayStore } from '../../../src/result/rules.ts';
import { stateOf } from '../../../src/result/sniff.ts';
import { createSerialization } from '../../../src/serialization/index.ts';

const states = ['STARTED', 'RETRY', 'PROGRESS', 'SUCCESS', 'FAILURE', 'REVOKED'];

describe.each(states)('%s is stored', (there) => {
  it.each(states)('and %s comes', (state) => {
    const allowed = there !== 'SUCCESS' && (READY_STATES.has(state) || !READY_STATES.has(there));
    expect(mayStore({ state, attempt: 1 }, { state: there }, undefined)).toBe(allowed);
    // Fenced at 2: attempt 1 writes nothing, attempt 2 only where no end is stored, attempt 3 as if there were no fence.
    expect(mayStore({ state, attempt: 1 }, { state: there }, 2)).toBe(false);
    expect(mayStore({ state, attempt: 2 }, { state: there }, 2)).toBe(!READY_STATES.has(there));
    expect(mayStore({ state, attempt: 3 }, { state: there }, 2)).toBe(allowed);
  });
});

it('numbers every attempt of a retry above all attempts before it', () => {
  expect(attemptNumber(0, 1)).toBe(1);
  expect(attemptNumber(1, 1)).toBeGreaterThan(attemptNumber(0, 5000));
  expect(Number.isSafeInteger(attemptNumber(1_000_000, 1))).toBe(true);
});

describe('the state of a stored record', () => {
  const serialization = createSerialization();
  const meta = { status: 'SUCCESS', result: { status: 'FAILURE', '"status"': '\nstatus: REVOKED' }, task_id: 'a' };

  it.each(['json', 'msgpack', 'yaml'])('is read from %s', (serializer) => {
    expect(stateOf(serialization.encode(meta, serializer).body)).toBe('SUCCESS');
    const late = { task_id: 'a', result: { status: 'FAILURE' }, children: [], status: 'PROGRESS' };
    if (serializer !== 'msgpack') expect(stateOf(serialization.encode(late, serializer).body)).toBe('PROGRESS');
  });

  it.each(['status: SUCCESS\nresult: {status: FAILURE}\n', "result:\n  status: FAILURE\n'status': 'SUCCESS'\n"])(
    'is read from the yaml of other writers: %j',
    (text) => {
      expect(stateOf(Buffer.from(text))).toBe('SUCCESS');
    },
  );

  it.each(['', '{', '{}', 'null', '[1]', '{"status": 3}', '\xff\xfe', '\x80'])(
    'counts %j as an end, so that its reader gets the error',
    (text) => {
      expect(stateOf(Buffer.from(text, 'latin1'))).toBe('FAILURE');
    },
  );
});
