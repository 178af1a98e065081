import { expect, it } from 'vitest';
import { longestPause, repeatedly } from '../../../src/result/retry.ts';

const never = new AbortController().signal;
const policy = { maxRetries: 3, baseSleep: 0, maxSleep: 0 };

function failing(times: number): { readonly call: () => Promise<string>; calls(): number } {
  let calls = 0;
  return {
    call: async () => {
      if (++calls <= times) throw new Error(`failure ${calls}`);
      return 'done';
    },
    calls: () => calls,
  };
}

it('the longest pause doubles from the base to the limit, as in Celery', () => {
  const longest = [1, 2, 3, 10, 11].map((repeat) => longestPause({ maxRetries: 99, baseSleep: 10, maxSleep: 10_000 }, repeat));
  expect(longest).toEqual([20, 40, 80, 10_000, 10_000]);
});

it('a call is repeated until it works', async () => {
  const { call, calls } = failing(3);
  expect(await repeatedly(policy, never, call, () => true)).toBe('done');
  expect(calls()).toBe(4);
});

it('a call that fails once more than it may be repeated fails with its last error', async () => {
  const { call, calls } = failing(9);
  await expect(repeatedly(policy, never, call, () => true)).rejects.toThrow('failure 4');
  expect(calls()).toBe(4);
});

it('what cannot be mended is not repeated', async () => {
  const { call, calls } = failing(9);
  await expect(repeatedly(policy, never, call, (error) => !String(error).includes('2'))).rejects.toThrow('failure 2');
  expect(calls()).toBe(2);
});

it('an abort ends the wait for a repeat with its reason', async () => {
  const { call, calls } = failing(9);
  const control = new AbortController();
  const slow = { maxRetries: 3, baseSleep: 1e9, maxSleep: 1e9 };
  const repeated = repeatedly(
    slow,
    control.signal,
    call,
    () => setImmediate(() => control.abort(new Error('over'))) !== undefined,
  );
  await expect(repeated).rejects.toThrow('over');
  expect(calls()).toBe(1);
});
