// The push that is written by hand: whatever the texts are, the list holds what the client itself would have put there.
import { expect, test } from 'vitest';
import { openBroker } from '../../../src/broker/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { brokerOptions, message, publish, read, text, unique } from './harness.ts';
import { plainLine } from './redis-harness.ts';

const TEXTS = [
  ['nothing but ASCII', ['a', 'b'.repeat(9), 'c'.repeat(10), 'd'.repeat(99), 'e'.repeat(100)]],
  ['more bytes than characters, also by a digit', ['é', 'é'.repeat(9), '漢'.repeat(40), '😀'.repeat(500), '€'.repeat(3333)]],
  ['empty, line ends, what looks like the protocol', ['', '\r\n', '$3\r\nfoo\r\n', '\0']],
  ['larger than any buffer that is kept', ['x'.repeat(3_000_000), 'ä'.repeat(1_000_000), 'y']],
  ['many', Array.from({ length: 5000 }, (_, index) => `text ${index} é`)],
] as const;

test.each(TEXTS)('%s', async (_, texts) => {
  await using line = plainLine(redisUrl());
  const [list, same] = [unique('push'), unique('push')];
  // Twice, and several at once: buffers are used again, and none while another push is still in it.
  const pushes = [0, 1].flatMap(() => [0, 1].map(() => line.push(list, texts.length, (index) => texts[index]!)));
  expect(await Promise.all(pushes)).toEqual([1, 2, 3, 4].map((times) => times * texts.length));
  await line.push(list, texts.length, (index) => texts[index]!);
  for (let time = 0; time < 5; time++) await line.call('LPUSH', [same, ...texts]);
  expect(await line.call('LRANGE', [list, 0, -1])).toEqual(await line.call('LRANGE', [same, 0, -1]));
});

test('half a character is replaced as the client replaces it', async () => {
  await using line = plainLine(redisUrl());
  const list = unique('push');
  await line.push(list, 1, () => 'a\ud83d');
  expect(await line.call('LRANGE', [list, 0, -1])).toEqual(['a\ufffd']);
});

test('a refusal is its own push, and the next one goes through', async () => {
  await using line = plainLine(redisUrl());
  const [key, list] = [unique('text'), unique('push')];
  await line.call('SET', [key, 'no list']);
  const [refused, taken] = await Promise.allSettled([line.push(key, 1, () => 'x'), line.push(list, 1, () => 'y')]);
  expect(refused).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('WRONGTYPE') } });
  expect(taken).toEqual({ status: 'fulfilled', value: 1 });
  expect(await line.push(list, 1, () => 'z')).toBe(2);
});

test('answers of which whoever asked has died do not stay for good', async () => {
  const url = redisUrl();
  await using line = plainLine(url);
  await using broker = await openBroker(brokerOptions(url));
  const [inbox, queue] = [`${unique('oid')}.reply.celery.pidbox`, unique('tasks')];
  await publish(broker, message(inbox, 'pong'), message(queue, 'stays'));
  await publish(broker, message(inbox, 'alone'));
  expect(Number(await line.call('TTL', [inbox]))).toBeGreaterThan(60);
  expect(await line.call('TTL', [queue])).toBe(-1);
  // Who is there reads them as ever.
  await using reader = await read(broker, inbox);
  expect([text(await reader.one()), text(await reader.one())]).toEqual(['pong', 'alone']);
});
