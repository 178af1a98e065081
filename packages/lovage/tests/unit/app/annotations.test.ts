import { expect, test } from 'vitest';
import { setup } from './support.ts';

test('handlers in taskAnnotations take the place of the own ones, of one task or of all', async () => {
  const told: string[] = [];
  const tell = (word: string) => () => void told.push(word);
  await using app = setup({
    taskAlwaysEager: true,
    taskAnnotations: {
      '*': { onFailure: tell('all failed'), beforeStart: tell('all start') },
      special: { onSuccess: tell('special') },
    },
  });
  const plain = app.task('plain', { onFailure: tell('own failed'), onSuccess: tell('own') }, (good: boolean) => {
    if (!good) throw new Error('bad');
  });
  const special = app.task('special', { onSuccess: tell('own'), afterReturn: tell('own return') }, () => 1);
  await (await plain.delay(true)).get();
  await (await plain.delay(false)).get({ propagate: false });
  await (await special.delay()).get();
  expect(told).toEqual(['all start', 'own', 'all start', 'all failed', 'all start', 'special', 'own return']);
});

test('taskMissingQueue says how a queue is made that taskQueues does not name', async () => {
  const asked: string[] = [];
  const app = setup({
    taskMissingQueue: (name) => {
      asked.push(name);
      return name.startsWith('t.')
        ? { exchange: 'topics', exchangeType: 'topic', routingKey: `${name}.#`, maxPriority: 5 }
        : undefined;
    },
  });
  expect(app.queues.get('t.a')).toMatchObject({
    exchange: { name: 'topics', type: 'topic' },
    routingKey: 't.a.#',
    declaration: { name: 't.a', arguments: { 'x-max-priority': 5 } },
  });
  expect(app.queues.get('plain')).toMatchObject({ exchange: { name: 'plain', type: 'direct' }, routingKey: 'plain' });
  expect(asked).toEqual(['t.a', 'plain']);
  await app.close();
});

test('an answer of taskMissingQueue that is no queue is refused', async () => {
  await using app = setup({ taskMissingQueue: () => ({ exchagne: 'x' }) as never });
  expect(() => app.queues.get('q')).toThrow(/taskMissingQueue .*exchange/);
});
