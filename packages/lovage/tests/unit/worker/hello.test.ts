// What workers tell each other of revokes when one of them starts.
import { expect, test } from 'vitest';
import { Revoked } from '../../../src/consumer/index.ts';
import { revokesTold, tellRevokes } from '../../../src/worker/control/commands/hello.ts';

const stamp = { header: 'tenant', value: 'acme' };

test('a worker learns for how long a revoke counts yet', () => {
  let now = 1_700_000_000;
  const revoked = new Revoked({ seconds: 3600 }, { now: () => now, monotonic: () => now * 1000 });
  revoked.add('early');
  revoked.addStamp(stamp);
  revoked.add('mine', { own: true });
  now += 3000;
  revoked.add('late');
  expect(revokesTold(tellRevokes(revoked))).toEqual({
    ids: [
      ['early', 600],
      ['late', 3600],
    ],
    stamps: [[stamp, 600]],
  });
  expect(revokesTold(tellRevokes(revoked, ['early'])).ids).toEqual([['late', 3600]]);
});

test('what others say is taken as far as it can be read', () => {
  expect(revokesTold({ revoked: { celery: [1.5, 'celery'] } })).toEqual({ ids: [['celery', undefined]], stamps: [] });
  const odd = { revoked: ['a', 1], lovage_left: { a: 'long' }, lovage_stamps: [['h', 'v'], ['h', 'w', -1], ['h'], 'x'] };
  expect(revokesTold(odd)).toEqual({
    ids: [['a', undefined]],
    stamps: [
      [{ header: 'h', value: 'v' }, undefined],
      [{ header: 'h', value: 'w' }, undefined],
    ],
  });
});
