// Remote control on the wire: what Celery sends is read, what is sent reads as Celery's, and nothing broken gets past the parser.
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import {
  controlNames,
  isAddressed,
  isStale,
  parseControlReply,
  parseControlRequest,
  pythonException,
  pythonSet,
  writeControlReply,
  writeControlRequest,
} from '../../../src/protocol/index.ts';
import { DecodeError } from '../../../src/util/index.ts';

interface Captured {
  readonly published?: readonly { readonly body: { readonly json: Record<string, unknown> } }[];
  readonly messages?: readonly { readonly body: { readonly json: Record<string, unknown> }; readonly key: string }[];
}

function vector(name: string): Captured {
  return JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8')) as Captured;
}

const REQUESTS = [
  'pidbox-ping',
  'pidbox-revoke',
  'pidbox-revoke-terminate',
  'pidbox-rate-limit',
  'pidbox-time-limit',
  'pidbox-add-consumer',
  'pidbox-autoscale',
  'pidbox-shutdown-pattern',
  'amqp-pidbox-ping',
  'amqp-pidbox-revoke',
];

test.each(REQUESTS)('%s is read and written as it was', (name) => {
  const { published, messages } = vector(name);
  const bodies = (published ?? messages ?? []).map(({ body }) => body.json);
  expect(bodies.length).toBeGreaterThan(0);
  for (const body of bodies) expect(writeControlRequest(parseControlRequest(body))).toEqual(body);
});

test('answers are read, errors too, and written as Celery writes them', () => {
  const { messages = [] } = vector('pidbox-reply-wire');
  const replies = messages.map(({ body }) => parseControlReply(body.json));
  expect(replies.map(({ value }) => value)).toEqual([
    { ok: 'pong' },
    { error: pythonException('ZeroDivisionError', 'division by zero') },
    { error: pythonException('KeyError', 'nosuch') },
  ]);
  for (const [index, { node, value }] of replies.entries()) {
    expect(writeControlReply(node, value)).toEqual(messages[index]?.body.json);
  }
});

test('names are those of kombu', () => {
  const names = controlNames('celery');
  const [key] = (vector('pidbox-reply-wire').messages ?? []).map((message) => message.key);
  expect(names.replyQueue('47a3ca73-1dde-3dda-a746-bb11e9f1a27a')).toBe(key);
  expect([names.requests, names.replies, names.nodeQueue('w@h')]).toEqual([
    'celery.pidbox',
    'reply.celery.pidbox',
    'w@h.celery.pidbox',
  ]);
});

const request = (fields: Record<string, unknown> = {}) => parseControlRequest({ method: 'ping', ...fields });

describe('a request is for', () => {
  it.each([
    ['all when it names nobody', {}, true],
    ['all when its list is empty', { destination: [] }, true],
    ['those in its list', { destination: ['w1@h', 'w2@h'] }, true],
    ['nobody else', { destination: ['w2@h'] }, false],
    ['one that is named alone', { destination: 'w1@h' }, true],
    ['names that a glob matches', { pattern: 'w?@*', matcher: 'glob' }, true],
    ['names in a set of letters', { pattern: 'w[0-3]@h', matcher: 'glob' }, true],
    ['names out of a set of letters', { pattern: 'w[!1]@h', matcher: 'glob' }, false],
    ['a glob is no regular expression', { pattern: 'w.@h', matcher: 'glob' }, false],
    ['names that begin as a regular expression says', { pattern: 'w[12]', matcher: 'pcre' }, true],
    ['an expression begins at the start', { pattern: '@h', matcher: 'pcre' }, false],
    ['names that a glob with many stars matches', { pattern: '**1**@***', matcher: 'glob' }, true],
    ['nobody whom the end of a glob leaves out', { pattern: '*@h?', matcher: 'glob' }, false],
    ['names that a glob matches later than at first', { pattern: 'w*1*h', matcher: 'glob' }, true],
    ['nobody for an empty glob', { pattern: '', matcher: 'glob' }, false],
    ['all when a pattern has no matcher, as for Celery', { pattern: 'nobody' }, true],
  ])('%s', (_, fields, expected) => {
    expect(isAddressed(request(fields), 'w1@h')).toBe(expected);
  });

  it.each([
    { pattern: 'x', matcher: 'soundex' },
    { pattern: '(', matcher: 'pcre' },
    { pattern: 'w[z-a]', matcher: 'glob' },
    { pattern: 'x'.repeat(501), matcher: 'glob' },
  ])('a pattern that nobody understands is an error: %o', (fields) => {
    expect(() => isAddressed(request(fields), 'w1@h')).toThrow(DecodeError);
  });
});

it.each([
  null,
  [],
  'ping',
  {},
  { method: '' },
  { method: 7 },
  { method: 'ping', arguments: [1] },
  { method: 'ping', destination: [1] },
  { method: 'ping', destination: {} },
  { method: 'ping', reply_to: 'me' },
  { method: 'ping', reply_to: { exchange: 'x' } },
  { method: 'ping', pattern: 5 },
  Object.create(null) as unknown,
])('what is no request is refused: %o', (body) => {
  expect(() => parseControlRequest(body)).toThrow(DecodeError);
});

it.each([null, [], {}, { a: 1, b: 2 }, 'x'])('what is no answer is refused: %o', (body) => {
  expect(() => parseControlReply(body)).toThrow(DecodeError);
});

describe('no pattern holds up a worker:', () => {
  const node = 'celery@a-machine-with-a-long-name.example.org';

  it('a glob of many stars is read at once', () => {
    expect(isAddressed(request({ pattern: `${'*'.repeat(200)}!`, matcher: 'glob' }), node)).toBe(false);
    expect(isAddressed(request({ pattern: `${'*e'.repeat(200)}!`, matcher: 'glob' }), node)).toBe(false);
  });

  it('an expression that looks back without end is given up', () => {
    expect(() => isAddressed(request({ pattern: '(.+)+!', matcher: 'pcre' }), node)).toThrow(/cannot be used.*timed out/);
  });
});

describe('a command is stale', () => {
  it.each([
    ['once its sender stopped waiting', 'shutdown', { expires: 40 }, true],
    ['not while its sender waits', 'shutdown', { expires: 101 }, false],
    ["not because its sender's clock is some seconds late", 'ping', { expires: 98 }, false],
    ['never without a limit', 'shutdown', { expires: 0 }, false],
    ['never without the header', 'shutdown', {}, false],
    ['never when it revokes: the worker was busy, and the id must not run', 'revoke', { expires: 40 }, false],
    ['never when it terminates', 'terminate', { expires: 40 }, false],
    ['never when it revokes by stamp', 'revoke_by_stamped_headers', { expires: 40 }, false],
  ])('%s', (_, method, headers, expected) => {
    expect(isStale({ method }, headers, 100)).toBe(expected);
  });
});

it("texts are Python's", () => {
  expect(pythonSet(['a', 'b'])).toBe("{'a', 'b'}");
  expect(pythonException('ValueError', "Can't shrink pool")).toBe('ValueError("Can\'t shrink pool")');
  expect(pythonException('E', `it's "x"`)).toBe(`E('it\\'s "x"')`);
});
