import { describe, expect, it } from 'vitest';
import { parseBody, parseTask, taskIdOf } from '../../../src/protocol/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { ContentRefusedError, DecodeError, InvalidTaskError } from '../../../src/util/index.ts';
import { capture, redisDelivery } from './vectors.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json']);

/** Reads a list element to the end, as intake and slot do together. */
function read(raw: string): unknown {
  const delivery = redisDelivery(raw);
  const compression = delivery.headers?.compression;
  const decodeBody = (): unknown =>
    serialization.decode(
      { body: delivery.body, ...delivery.properties, compression: typeof compression === 'string' ? compression : undefined },
      accept,
    );
  const { request, body } = parseTask(delivery, { hostname: 'celery@here', decodeBody });
  return { id: request.id, ...(body ?? parseBody(decodeBody())) };
}

const cases = new Map(capture('worker-malformed').cases?.map(({ case: name, raw }) => [String(name), String(raw)]));
const raw = (name: string): string => cases.get(name) ?? '';

const UNUSABLE: Readonly<Record<string, abstract new (...args: never[]) => Error>> = {
  'no-id': InvalidTaskError,
  'two-tuple-body': InvalidTaskError,
  'bad-json-body': DecodeError,
  'pickle-content-type': ContentRefusedError,
  'unknown-content-type': ContentRefusedError,
  'null-headers': InvalidTaskError,
  'empty-headers': InvalidTaskError,
  'kwargs-not-mapping': InvalidTaskError,
  'bad-eta': InvalidTaskError,
  'unknown-compression': DecodeError,
};
const USABLE = [
  'null-embed',
  'null-timelimit',
  'no-delivery-tag',
  'no-delivery-info',
  'minimal-headers',
  'unregistered-task',
  'utf8-body-encoding',
  'few-properties',
  'wrong-argument-count',
];

describe('messages that a Python worker was fed', () => {
  it('are all accounted for', () => {
    expect([...cases.keys()].toSorted()).toEqual([...Object.keys(UNUSABLE), ...USABLE, 'not-json', 'json-list'].toSorted());
  });

  it.each(Object.entries(UNUSABLE))('%s is refused with an error of its kind', (name, error) => {
    expect(() => read(raw(name))).toThrow(error);
  });

  it.each(USABLE)('%s is read', (name) => {
    expect(read(raw(name))).toMatchObject({ args: expect.any(Array), kwargs: {} });
  });

  it('say whom a failure can be reported to, when they say so', () => {
    expect(taskIdOf(redisDelivery(raw('bad-eta')).headers)).toBe('bad-eta');
    expect(taskIdOf(redisDelivery(raw('no-id')).headers)).toBeUndefined();
    expect(taskIdOf(null)).toBeUndefined();
  });

  it('name the kind of content in a refusal', () => {
    expect(() => read(raw('pickle-content-type'))).toThrow(
      'Refusing to deserialize untrusted content of type pickle (application/x-python-serialize)',
    );
    expect(() => read(raw('unknown-content-type'))).toThrow(
      'untrusted content of type application/x-unknown (application/x-unknown)',
    );
  });
});

describe('bodies', () => {
  it('may be a mapping under protocol 2 headers', () => {
    const body = parseBody({ args: [1], kwargs: { y: 2 }, callbacks: [{ task: 'next' }], errbacks: null, chord: null });
    expect(body).toMatchObject({
      args: [1],
      kwargs: { y: 2 },
      embed: { callbacks: [{ task: 'next', args: [], kwargs: {}, options: {} }], errbacks: null },
    });
  });

  it('whose first argument is the text args are no mapping', () => {
    expect(parseBody([['args'], {}, null]).args).toEqual(['args']);
  });

  it.each([
    null,
    1,
    'text',
    {},
    [],
    [[], {}],
    [[], {}, {}, {}],
    ['ab', {}, {}],
    [[], [], {}],
    [[], {}, 'x'],
    [[], {}, { callbacks: [1] }],
    [[], {}, { chord: { args: [] } }],
  ])('%j is no body', (decoded) => expect(() => parseBody(decoded)).toThrow(InvalidTaskError));

  it('keep unknown keys of signatures', () => {
    const chord = { task: 'sum', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false, chord_size: 3 };
    expect(parseBody([[], {}, { chord }]).embed.chord).toEqual(chord);
  });
});

describe('headers', () => {
  const delivery = { exchange: '', routingKey: 'q', properties: {}, body: new Uint8Array(), redelivered: false, attempts: 2 };
  const parse = (headers: Record<string, unknown>) =>
    parseTask({ ...delivery, headers: { task: 'a', id: 'b', ...headers } }, { hostname: 'here', decodeBody: () => undefined })
      .request;

  it('of the user are those of nobody else', () => {
    const request = parse({ my: 'h', 'x-lovage-attempts': 3, stamps: { a: 1, b: 2 }, stamped_headers: ['a'], 'x-death': [] });
    expect(request.headers).toEqual({ my: 'h', 'x-death': [] });
    expect(request.stamps).toEqual({ a: 1 });
  });

  it('of the user may have the names of fields of a body', () =>
    expect(parse({ chain: 'c', utc: 1 }).headers).toEqual({ chain: 'c', utc: 1 }));

  it('called headers win, as in Celery', () => expect(parse({ headers: { my: 1 }, other: 2 }).headers).toEqual({ my: 1 }));

  it('that say nothing get their defaults', () => {
    expect(parse({})).toMatchObject({
      retries: 0,
      rootId: 'b',
      timeLimit: undefined,
      ignoreResult: undefined,
      contentType: 'application/data',
      attempts: 2,
    });
  });

  it.each([
    [{ timelimit: 'x' }],
    [{ timelimit: ['x', null] }],
    [{ retries: {} }],
    [{ eta: 12 }],
    [{ expires: 'tomorrow' }],
    [{ id: '' }],
    [{ task: [] }],
    [{ group: {} }],
    [{ stamped_headers: 'x' }],
  ])('%j are refused', (headers) => expect(() => parse(headers)).toThrow(InvalidTaskError));
});
