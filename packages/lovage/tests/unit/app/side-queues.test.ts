// Settings of the queues beside those of tasks: of remote control, and of monitors. What they say is what is declared.
import { expect, test } from 'vitest';
import { Config } from '../../../src/app/config.ts';
import { inboxTopology, nodeTopology } from '../../../src/app/control/topology.ts';
import type { SettingsRecord } from '../../../src/app/index.ts';
import { policyOf } from '../../../src/consumer/policy.ts';
import { monitorTopology } from '../../../src/event/topology.ts';

const values = (settings: SettingsRecord = {}): Config['values'] => new Config({ settings, environment: {} }).values;

test.each([
  [{}, { durable: false, exclusive: true, autoDelete: true, arguments: { 'x-expires': 10_000, 'x-message-ttl': 300_000 } }],
  [{ controlQueueTtl: 7 }, { arguments: { 'x-expires': 10_000, 'x-message-ttl': 7000 } }],
  [{ controlQueueExpires: 3 }, { arguments: { 'x-expires': 3000, 'x-message-ttl': 300_000 } }],
  [{ controlQueueExclusive: false }, { exclusive: false, durable: false }],
  [
    { controlQueueExclusive: false, controlQueueDurable: true },
    { exclusive: false, durable: true, autoDelete: false },
  ],
])('remote control with %j declares %j', (settings, queue) => {
  for (const topology of [nodeTopology('w1@h', values(settings)), inboxTopology('k', values(settings))])
    expect(topology.queues).toEqual([expect.objectContaining(queue)]);
});

test.each([
  [{}, 'celeryev.x', { durable: false, exclusive: true, arguments: { 'x-expires': 60_000, 'x-message-ttl': 5000 } }],
  [{ eventQueuePrefix: 'mon' }, 'mon.x', {}],
  [{ eventQueueTtl: 2 }, 'celeryev.x', { arguments: { 'x-expires': 60_000, 'x-message-ttl': 2000 } }],
  [{ eventQueueExpires: 9 }, 'celeryev.x', { arguments: { 'x-expires': 9000, 'x-message-ttl': 5000 } }],
  [{ eventQueueExclusive: false }, 'celeryev.x', { exclusive: false, autoDelete: true }],
  [{ eventQueueExclusive: false, eventQueueDurable: true }, 'celeryev.x', { durable: true, autoDelete: false }],
])('a monitor with %j has the queue %s that is %j', (settings, name, queue) => {
  const topology = monitorTopology({ id: 'x', routingKey: '#' }, values(settings), { eventExchange: 'topic' });
  expect(topology.queues).toEqual([expect.objectContaining({ name, ...queue })]);
});

test('what a task does not say of itself the settings say', () => {
  expect(policyOf('t', {}, values())).toMatchObject({ acksLate: true, rejectOnWorkerLost: true, softTimeLimit: undefined });
  const given = { taskAcksLate: false, taskRejectOnWorkerLost: false, taskSoftTimeLimit: 4 };
  expect(policyOf('t', {}, values(given))).toMatchObject({ acksLate: false, rejectOnWorkerLost: false, softTimeLimit: 4 });
  expect(policyOf('t', { acksLate: true, rejectOnWorkerLost: true, softTimeLimit: 2 }, values(given))).toMatchObject({
    acksLate: true,
    rejectOnWorkerLost: true,
    softTimeLimit: 2,
  });
});
