// What a line says that ended before anything came, because one side speaks TLS and the other does not.
import { expect, test } from 'vitest';
import { tlsHinted, withTlsHint } from '../../../src/util/tls-hint.ts';

const side = (isSecure: boolean) => ({ isSecure, plain: 'amqp://', secure: 'amqps://' });

test.each([
  [true, 'error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:x.c:77', 'amqp://'],
  [true, 'no answer within 4 s', 'amqp://'],
  [false, 'read ECONNRESET', 'amqps://'],
  [false, 'no answer within 4 s', undefined],
  [true, 'self-signed certificate', undefined],
  [false, 'connect ECONNREFUSED 127.0.0.1:1', undefined],
])('secure %s: %s', (isSecure, reason, meant) => {
  const text = withTlsHint(reason, side(isSecure));
  if (meant === undefined) expect(text).toBe(reason);
  else expect(text).toContain(`address begins with ${meant}`);
});

test('the error behind it stays where it says more', () => {
  const reset = new Error('read ECONNRESET');
  expect(tlsHinted(reset, side(false)).cause).toBe(reset);
  expect(tlsHinted(new Error('wrong version number'), side(true)).cause).toBeUndefined();
  expect(tlsHinted(reset, side(true))).toBe(reset);
});
