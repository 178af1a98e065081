// Tickets of messages that did not start are remembered, and not for ever.
import { expect, test } from 'vitest';
import { rememberInVain } from '../../../src/broker/amqp/tickets.ts';

test('of many tickets the oldest is forgotten', () => {
  const inVain = new Set<string>();
  for (const ticket of ['a', 'b', 'c', 'b', 'd']) rememberInVain(inVain, ticket, 3);
  expect([...inVain]).toEqual(['b', 'c', 'd']);
});

test('a worker that never hears of them again keeps ten thousand', () => {
  const inVain = new Set<string>();
  for (let at = 0; at < 30_000; at++) rememberInVain(inVain, `${at}`);
  expect(inVain.size).toBe(10_000);
  expect(inVain.has('29999')).toBe(true);
});
