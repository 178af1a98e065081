// Rules of the wire that no captured message shows: each is a sentence of Celery's protocol.
import { expect, test } from 'vitest';
import { createErrorRegistry, parseTask, parseTime, readException, writeException } from '../../../src/protocol/index.ts';
import { DateTime } from '../../../src/serialization/index.ts';
import type { CallOptions } from '../../../src/task/index.ts';
import { ConfigurationError, RemoteTaskError } from '../../../src/util/index.ts';
import { bodyOf, setup } from './support.ts';

const now = parseTime('2026-01-02T03:04:05.678901+00:00')!;
const clock = { now: () => now, monotonic: () => 0 };

function message(options: CallOptions, settings = {}) {
  const app = setup(settings, { clock });
  const task = app.task('t', { typing: false }, () => 1);
  return app.publisher.prepare([{ task: 't', args: [1], kwargs: { a: 2 }, options, definition: task.definition }])[0]!.message;
}

test.each([
  ['a Date', new Date('2026-01-02T03:05:05.678Z'), '2026-01-02T03:05:05.678000+00:00', '59999'],
  ['a text with its own offset', '2026-01-02T04:05:05.678901+01:00', '2026-01-02T04:05:05.678901+01:00', '60000'],
  ['a naive text, which is UTC', '2026-01-02T03:05:05', '2026-01-02T03:05:05', '59321'],
  ['a Date in the past', new Date('2020-01-01T00:00:00Z'), '2020-01-01T00:00:00+00:00', '0'],
  ['negative seconds', -1, '2026-01-02T03:04:04.678901+00:00', '0'],
  ['no time at all', 0, '2026-01-02T03:04:05.678901+00:00', '0'],
])('expires may be %s', (_, expires, header, expiration) => {
  const { headers, properties } = message({ expires });
  expect(headers.expires).toBe(header);
  expect(properties.expiration).toBe(expiration);
});

test.each([
  [{ eta: new Date('2030-01-01T12:00:00.5Z') }, '2030-01-01T12:00:00.500000+00:00'],
  [{ eta: new DateTime('2030-01-01T12:00:00.000005-03:30') }, '2030-01-01T12:00:00.000005-03:30'],
  [{ eta: new DateTime('2030-01-01T12:00:00.500-03:30') }, '2030-01-01T12:00:00.500000-03:30'],
  [{ eta: new DateTime('2030-01-01T12:00:00') }, '2030-01-01T12:00:00'],
  [{ countdown: 1.5, eta: '2030-01-01T12:00:00' }, '2026-01-02T03:04:07.178901+00:00'],
  [{ countdown: 0, eta: '2030-01-01T12:00:00' }, null],
])('%o gives the eta %s', (options, eta) => {
  expect(message(options).headers.eta).toBe(eta);
});

test('a moment of Python keeps its offset in a signature, too', () => {
  const eta = new DateTime('2030-01-01T12:00:00.000005-03:30');
  expect(setup().signature('t', [], { eta }).toWire().options).toEqual({ eta: '2030-01-01T12:00:00.000005-03:30' });
});

test('a countdown or an expiry beyond what Celery counts is refused', () => {
  for (const options of [
    { countdown: -2_147_483_649 },
    { expires: -2_147_483_649 },
    { countdown: Number.POSITIVE_INFINITY },
    { countdown: 1e12 },
    { expires: 1e300 },
  ])
    expect(() => message(options)).toThrow(ConfigurationError);
});

test('options become headers and properties under their own names', () => {
  const { headers, properties } = message({
    shadow: 'shown',
    groupId: 'g',
    groupIndex: 0,
    replacedTaskNesting: 2,
    stamps: { a: [1], b: 'x' },
    deliveryMode: 'transient',
    compression: 'gzip',
    origin: 'gen1@here',
    replyTo: '',
  });
  expect(headers).toMatchObject({
    shadow: 'shown',
    group: 'g',
    group_index: 0,
    replaced_task_nesting: 2,
    stamped_headers: ['a', 'b'],
    stamps: { a: [1], b: 'x' },
    origin: 'gen1@here',
    compression: 'application/x-gzip',
  });
  expect(Object.keys(headers).at(-1)).toBe('compression');
  expect(properties.deliveryMode).toBe(1);
  expect(properties.replyTo).toMatch(/^[0-9a-f-]{36}$/);
});

test('user headers come last and may overwrite any; one called headers is what Celery takes for all of them', () => {
  const { headers } = message({ headers: { origin: 'mine', x: 1, headers: { y: 2 } } });
  expect(headers).toMatchObject({ origin: 'mine', x: 1, headers: { y: 2 } });
  const delivery = {
    exchange: '',
    routingKey: 'q',
    headers,
    properties: {},
    body: new Uint8Array(),
    redelivered: false,
    attempts: 1,
  };
  expect(parseTask(delivery, { hostname: 'h', decodeBody: () => 0 }).request.headers).toEqual({ y: 2 });
});

test.each([
  ['gzip', 'application/x-gzip', '789c'],
  ['zlib', 'application/x-gzip', '789c'],
  ['zstd', 'application/zstd', '28b52ffd'],
  ['zstandard', 'application/zstd', '28b52ffd'],
  ['brotli', 'application/x-brotli', ''],
  ['application/x-gzip', 'application/x-gzip', '789c'],
])('the compression %s says %s', (compression, mime, magic) => {
  const { headers, body } = message({ compression });
  expect(headers.compression).toBe(mime);
  expect(Buffer.from(body).toString('hex').slice(0, magic.length)).toBe(magic);
});

test('protocol 1 says whether naive times are UTC, and its group twice', () => {
  const body = bodyOf(message({ groupId: 'g', countdown: 1 }, { taskProtocol: 1, enableUtc: false }));
  expect(body).toMatchObject({
    utc: false,
    group: 'g',
    taskset: 'g',
    eta: '2026-01-02T03:04:06.678901+00:00',
    timelimit: [null, null],
  });
  expect(Object.keys(body as object).join(' ')).toBe(
    'task id args kwargs group group_index retries eta expires utc callbacks errbacks timelimit taskset chord',
  );
});

test('an exception of Python in any shape is read without being made', () => {
  const errors = createErrorRegistry();
  const read = (wire: unknown) => readException(wire, errors) as RemoteTaskError;
  expect(read({ exc_type: 'Outer.Inner', exc_message: ['a', { b: 1 }], exc_module: 'proj' })).toMatchObject({
    name: 'Outer.Inner',
    excModule: 'proj',
    excMessage: ['a', { b: 1 }],
    message: "a, {'b': 1}",
  });
  expect(read({ exc_type: 'KeyError', exc_message: 'one text', exc_module: 'builtins' }).message).toBe('one text');
  expect(read({ exc_message: ['no type'] })).toMatchObject({ excType: 'Exception', message: 'no type' });
  expect(read({ exc_type: '__proto__', exc_module: 'constructor', exc_message: [] })).toBeInstanceOf(RemoteTaskError);
  expect(read(null)).toBeInstanceOf(RemoteTaskError);
});

test('arguments of an exception that cannot be written are written as their text', () => {
  const errors = createErrorRegistry();
  class Odd extends Error {
    override readonly name = 'Odd';
  }
  errors.register({ class: Odd, module: 'proj.errors', type: 'Odd', toArgs: () => ['fine', new Set([1]), undefined] });
  const encodable = (value: unknown): boolean => !(value instanceof Set);
  expect(writeException(new Odd('x', { cause: new Error('y') }), encodable, errors)).toEqual({
    exc_type: 'Odd',
    exc_message: ['fine', '{1}', 'None'],
    exc_module: 'proj.errors',
  });
});
