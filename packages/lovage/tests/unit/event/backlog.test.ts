// What waits for the next publish of events, what of it asks whether anybody hears, and the messages it becomes.
import { expect, test } from 'vitest';
import type { Broker } from '../../../src/broker/index.ts';
import { Audience } from '../../../src/event/audience.ts';
import { Backlog, type Sender, type Waiting } from '../../../src/event/backlog.ts';
import { MAX_ARRAY, messagesOf } from '../../../src/event/messages.ts';

const from: Sender = { headers: { hostname: 'w@h' }, headersText: '{"hostname":"w@h"}' };
const inArray = (event: Waiting['event'], group = 'task'): Waiting => ({
  from,
  routingKey: undefined,
  group,
  arrayKey: `${group}.multi`,
  event,
});
const alone = (event: string, routingKey: string): Waiting => ({ ...inArray(event, 'worker'), routingKey });
const many = (count: number): Waiting[] => Array.from({ length: count }, (_, at) => inArray(String(at)));
const texts = (batch: readonly Waiting[]): string => batch.map(({ event }) => String(event)).join(' ');

test('the oldest fall when there is no room, and are counted', () => {
  const backlog = new Backlog(3);
  for (const event of many(10)) backlog.add(event);
  expect([backlog.size, backlog.fallen, texts(backlog.take(2))]).toEqual([3, 7, '7 8']);
  backlog.add(inArray('10'));
  expect([texts(backlog.take(9)), backlog.size, backlog.fallen]).toEqual(['9 10', 0, 7]);
});

test('what comes back is first again; beyond the capacity it falls when told', () => {
  const backlog = new Backlog(4);
  for (const event of many(4)) backlog.add(event);
  const batch = backlog.take(3);
  backlog.add(inArray('4'));
  backlog.add(inArray('5'));
  backlog.putBack(batch);
  expect(backlog.size).toBe(6);
  backlog.trim();
  expect([texts(backlog.take(9)), backlog.fallen]).toEqual(['2 3 4 5', 2]);
  backlog.add(inArray('6'));
  backlog.clear();
  expect([backlog.size, backlog.fallen]).toEqual([0, 3]);
});

test('where nobody heard an array, one event asks for all behind it; those with a key of their own leave', () => {
  const audience = new Audience();
  let listeners = 0;
  const broker = { audience: () => listeners } as unknown as Broker;
  const batch = [inArray('a'), alone('online', 'worker.online'), inArray('b'), inArray('c')];
  expect(audience.ask(batch)).toEqual({ asked: batch, silent: [] });
  audience.listen(broker, 'celeryev', batch);
  const { asked, silent } = audience.ask(batch);
  expect([texts(asked), texts(silent), texts(audience.heard(silent))]).toEqual(['a online', 'b c', '']);
  listeners = 1;
  audience.listen(broker, 'celeryev', asked);
  expect(texts(audience.heard(silent))).toBe('b c');
  expect(audience.ask(batch).asked).toEqual(batch);
});

test('neighbours of a group become arrays, and the order stays', () => {
  const options = {
    exchange: 'celeryev',
    serializer: 'json',
    serialization: {
      encode: (value: unknown) => ({
        body: Buffer.from(`encoded ${JSON.stringify(value)}`),
        contentType: 'application/x-any',
        contentEncoding: 'binary',
        compression: undefined,
      }),
    },
  };
  const batch = [inArray('1'), inArray('2'), alone('{}', 'worker.online'), inArray('3'), inArray({ four: 4 })];
  const messages = messagesOf([...batch, ...many(MAX_ARRAY + 1)], options);
  expect(messages.slice(0, 2).map(({ routingKey, body }) => `${routingKey} ${Buffer.from(body).toString()}`)).toEqual([
    'task.multi [1,2]',
    'worker.online {}',
  ]);
  expect(messages.map(({ routingKey, properties }) => `${routingKey} ${properties.contentType}`)).toEqual([
    'task.multi application/json',
    'worker.online application/json',
    'task.multi application/x-any',
    'task.multi application/json',
  ]);
  expect(JSON.parse(Buffer.from(messages[3]?.body ?? '').toString())).toHaveLength(3);
});
