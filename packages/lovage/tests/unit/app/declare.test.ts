import { expect, test } from 'vitest';
import type { Lovage } from '../../../src/app/lovage.ts';
import { setup, waiting } from './support.ts';

async function exists(app: Lovage, queue: string): Promise<boolean> {
  return (await (await app.openBroker('read')).count(queue)) !== undefined;
}

test('a call without `declare` declares the queue that it goes to', async () => {
  await using app = setup();
  await app.sendTask('far', { queue: 'own' });
  expect(await exists(app, 'own')).toBe(true);
});

test('`declare` declares what it lists in place of the queue: queues by their names as the settings describe them', async () => {
  await using app = setup({ taskQueues: ['celery', { name: 'audit', exchange: 'logs', exchangeType: 'fanout' }] });
  await app.sendTask('far', { exchange: 'logs', exchangeType: 'fanout', routingKey: 'x', declare: ['audit'] });
  expect(await waiting(app, 'audit')).toHaveLength(1);
  expect(await exists(app, 'celery')).toBe(false);
});

test('`declare` takes exchanges, queues and bindings in full', async () => {
  await using app = setup();
  const topology = {
    exchanges: [{ name: 'animals', type: 'topic', durable: true }],
    queues: [{ name: 'cats', durable: true, arguments: {} }],
    bindings: [{ exchange: 'animals', queue: 'cats', routingKey: '*.cat' }],
  } as const;
  const there = { exchange: 'animals', exchangeType: 'topic', declare: [topology] } as const;
  await app.sendTask('far', { ...there, routingKey: 'black.cat' });
  await Promise.all([
    app.sendTask('far', { ...there, routingKey: 'white.cat' }),
    app.sendTask('far', { queue: 'other' }),
    app.sendTask('far', { ...there, declare: [...there.declare, 'third'], routingKey: 'grey.cat' }),
  ]);
  expect(await waiting(app, 'cats')).toHaveLength(3);
  expect([await exists(app, 'celery'), await exists(app, 'other'), await exists(app, 'third')]).toEqual([false, true, true]);
});

test('an empty list declares nothing', async () => {
  await using app = setup();
  const broker = await app.openBroker('read');
  await broker.declare({ exchanges: [], queues: [{ name: 'theirs', durable: true, arguments: {} }], bindings: [] });
  await app.sendTask('far', { queue: 'theirs', declare: [] });
  expect(await waiting(app, 'theirs')).toHaveLength(1);
  await expect(app.sendTask('far', { queue: 'nobodys', declare: [], retry: false })).rejects.toThrow(/nobodys/);
});

test('a call fails with the reason of what it wanted declared, and others of its turn do not', async () => {
  await using app = setup({ taskCreateMissingQueues: false, taskQueues: ['celery'] });
  const [bad, good] = await Promise.allSettled([app.sendTask('far', { declare: ['celry'], retry: false }), app.sendTask('far')]);
  expect(bad).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining("'celery'") as unknown } });
  expect(good.status).toBe('fulfilled');
});

test.each([['audit'], [[1]], [[{ queue: 'x' }]], [[{ queues: ['x'] }]]])('%j is refused as `declare`', async (declare) => {
  await using app = setup();
  await expect(app.sendTask('far', { declare } as never)).rejects.toThrow(/declare must be a list/);
});
