// Lines of `lovage amqp`, read.
import { expect, test } from 'vitest';
import { readCall, splitWords } from '../../../src/cli/broker-shell/grammar.ts';

test.each([
  ['10', 10],
  ['0', 0],
  ['true', true],
  ['010', '010'],
  ['9'.repeat(400), '9'.repeat(400)],
  ['lazy', 'lazy'],
  ['', ''],
])('an argument x-a=%s of a queue is %j', (word, value) => {
  expect(readCall(splitWords(`queue.declare q x-a=${word}`)).extra).toEqual({ 'x-a': value });
});
