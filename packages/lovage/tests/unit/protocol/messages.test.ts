import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import {
  argsRepr,
  kwargsRepr,
  parseBody,
  parseTask,
  type TaskBody,
  type TaskRequest,
  writeProtocol1,
  writeTaskBody,
  writeTaskHeaders,
} from '../../../src/protocol/index.ts';
import { createSerialization, Float } from '../../../src/serialization/index.ts';
import { lossless } from '../serialization/lossless.ts';
import { type CapturedDelivery, captureNames, deliveries } from './vectors.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json', 'yaml', 'msgpack']);
const decodeBody = (delivery: CapturedDelivery['delivery']): unknown =>
  serialization.decode(
    { body: delivery.body, ...delivery.properties, compression: delivery.headers?.compression as string | undefined },
    accept,
  );

function read(delivery: CapturedDelivery['delivery']): { request: TaskRequest; body: TaskBody } {
  const { request, body } = parseTask(delivery, { hostname: 'celery@here', decodeBody });
  return { request, body: body ?? parseBody(decodeBody(delivery)) };
}

/** What Lovage refuses or leaves to a registration: asserted in serialization/. */
const REFUSED = new Set(['serializer-pickle', 'compression-bzip2']);
const groups = [
  'call-',
  'option-',
  'value-',
  'serializer-',
  'compression-',
  'protocol1-',
  'retry-',
  'result-',
  'redis-',
  'amqp-',
  'stamp-',
];
const all = captureNames(...groups).flatMap((name) =>
  REFUSED.has(name) ? [] : deliveries(name).map((captured, index) => [`${name} ${index}`, captured] as const),
);
const protocol2 = all.filter(([, { delivery }]) => Object.hasOwn(delivery.headers, 'task'));
const protocol1 = all.filter(([name]) => name.startsWith('protocol1-'));

describe('captured task messages of protocol 2', () => {
  it('are more than a hundred', () => expect(protocol2.length).toBeGreaterThan(100));

  it.each(protocol2)('%s: headers are read and written again as they were', (_, { delivery }) => {
    const { request, body } = read(delivery);
    const { lang: _lang, compression, ...expected } = delivery.headers;
    const { lang, ...written } = writeTaskHeaders({ ...request, ...body });
    expect(lang).toBe('js');
    expect(written).toEqual(expected);
    if (!delivery.exchange && delivery.routingKey === 'celery')
      expect(Object.keys(written).toSorted()).toEqual(Object.keys(expected).toSorted());
    expect(request.compression).toBe(compression);
    expect(request.correlationId).toBe(delivery.properties.correlationId);
    expect(request.deliveryInfo.routingKey).toBe(delivery.routingKey);
    expect(read({ ...delivery, queue: 'taken from' }).request.deliveryInfo.queue).toBe('taken from');
  });

  it.each(protocol2.filter(([, { delivery }]) => delivery.properties.contentType === 'application/json'))(
    '%s: the body is read and written again as it was',
    (_, { delivery, payload }) => {
      const { body } = read(delivery);
      const written = serialization.encode(writeTaskBody(body.args, body.kwargs, body.embed), 'json');
      expect(lossless(Buffer.from(written.body).toString(), { loose: true })).toEqual(lossless(payload ?? '', { loose: true }));
    },
  );
});

describe('captured argsrepr and kwargsrepr', () => {
  // Python printed what json does not carry: tuples within, keys that are no text, 1.0, a zone by name.
  const OTHER = new Set([
    'value-dict-keys',
    'value-tuple',
    'value-type-collision',
    'value-json-method',
    'value-floats',
    'value-datetime',
  ]);
  /** Overridden by the caller, printed as a list after a retry, or a float that arrives as 1. */
  const UNLIKE = /^\[|\b\d+\.0\b|\*\*\*|secret/;
  const comparable = protocol2.filter(([name]) => !OTHER.has(name.replace(/ \d+$/, '')));
  it.each(comparable)('%s', (_, { delivery }) => {
    const { request, body } = read(delivery);
    if (!UNLIKE.test(request.argsRepr)) expect(argsRepr(body.args)).toBe(request.argsRepr);
    if (!UNLIKE.test(request.kwargsRepr)) expect(kwargsRepr(body.kwargs)).toBe(request.kwargsRepr);
  });

  it('print floats as Python does when they are said to be floats', () => {
    const floats = [new Float(1), 0.1, 1e300, 1e-7, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect(argsRepr(floats)).toBe('(1.0, 0.1, 1e+300, 1e-07, -0.0, nan, inf, -inf)');
  });
});

describe('captured task messages of protocol 1', () => {
  it.each(protocol1)('%s is read, and written again as it was', (_, { delivery, payload }) => {
    const { request, body } = read(delivery);
    expect(request.protocol).toBe(1);
    const written = serialization.encode(writeProtocol1({ ...request, ...body }), 'json');
    const text = Buffer.from(written.body).toString();
    expect(lossless(text)).toEqual(lossless(payload ?? ''));
    expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(JSON.parse(payload ?? '')));
  });

  it('become a chain of links when there is a chain', () => {
    const signature = (task: string) => ({ task, args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false });
    const { request, body } = read(deliveries('protocol1-simple')[0]!.delivery);
    const embed = { ...body.embed, chain: [signature('third'), signature('second')] };
    expect(writeProtocol1({ ...request, ...body, embed }).callbacks).toEqual([
      { ...signature('second'), options: { link: [signature('third')] } },
    ]);
  });
});

describe('a hybrid: headers of protocol 2 over a body of protocol 1', () => {
  const bodyOf = (fields: Record<string, unknown>) => ({ args: [1], kwargs: { a: 2 }, ...fields });
  const parse = (headers: Record<string, unknown>, fields: unknown, zone?: string) => {
    const delivery = { exchange: '', routingKey: 'q', properties: {}, body: new Uint8Array(), redelivered: false, attempts: 1 };
    const decodeBody = () => {
      if (fields instanceof Error) throw fields;
      return fields;
    };
    return parseTask({ ...delivery, headers }, { hostname: 'celery@here', decodeBody, zone });
  };
  const later = '2030-01-01T00:00:00';

  it('has in its body what its headers lack', () => {
    const fields = { group: 'g', eta: later, expires: later, retries: 2, timelimit: [9, 8], parent_id: 'p', argsrepr: '(1,)' };
    const { request, body } = parse({ task: 't', id: 'i', mine: 1 }, bodyOf({ ...fields, chord: null, errbacks: null }));
    expect(request).toMatchObject({
      id: 'i',
      group: 'g',
      eta: later,
      expires: later,
      retries: 2,
      timeLimit: 9,
      softTimeLimit: 8,
    });
    expect(request).toMatchObject({ parentId: 'p', rootId: 'i', argsRepr: '(1,)', headers: { mine: 1 }, protocol: 2 });
    expect(request.etaAt).toBe(Date.UTC(2030, 0, 1) / 1000);
    expect(body).toMatchObject({ args: [1], kwargs: { a: 2 } });
  });

  it('obeys its headers where both speak, null too', () => {
    const headers = { task: 't', id: 'i', retries: 5, eta: null, group: 'h' };
    const { request } = parse(headers, bodyOf({ id: 'j', task: 'u', retries: 1, eta: later, group: 'g' }));
    expect(request).toMatchObject({ id: 'i', task: 't', retries: 5, eta: undefined, etaAt: undefined, group: 'h' });
  });

  it('has its id in the body when it has none in its headers', () => {
    expect(parse({ task: 't' }, bodyOf({ id: 'j' })).request.id).toBe('j');
  });

  it('says with utc false that its times are those of this machine', () => {
    const { request } = parse({ task: 't', id: 'i' }, bodyOf({ eta: later, utc: false }));
    expect(request.etaAt).toBe(new Date(2030, 0, 1).getTime() / 1000);
  });

  it.each([
    ['2030-01-01T00:00:00', 'Europe/Oslo', '2029-12-31T23:00:00Z'],
    ['2030-07-01T00:00:00', 'Europe/Oslo', '2030-06-30T22:00:00Z'],
    ['2030-01-01T00:00:00', 'America/St_Johns', '2030-01-01T03:30:00Z'],
    ['2030-01-01T00:00:00', 'UTC', '2030-01-01T00:00:00Z'],
    // Clocks go forward at 02:00 on this day, and back from 03:00 on the other.
    ['2030-03-31T01:59:00', 'Europe/Oslo', '2030-03-31T00:59:00Z'],
    ['2030-03-31T03:00:00', 'Europe/Oslo', '2030-03-31T01:00:00Z'],
    ['2030-10-27T03:00:00', 'Europe/Oslo', '2030-10-27T02:00:00Z'],
    ['2030-01-01T00:00:00+02:00', 'Europe/Oslo', '2029-12-31T22:00:00Z'],
  ])('takes %s for a time of the zone %s that its reader is set to', (eta, zone, expected) => {
    const { request } = parse({ task: 't', id: 'i' }, bodyOf({ eta, utc: false }), zone);
    expect(request.etaAt).toBe(Date.parse(expected) / 1000);
  });

  it.each([
    ['an array', [[], {}, {}]],
    ['a mapping without args', { retries: 3 }],
    ['no body that can be read', new Error('undecodable')],
  ])('is none when there is %s', (_, fields) => {
    const { request, body } = parse({ task: 't', id: 'i' }, fields);
    expect([request.retries, body]).toEqual([0, undefined]);
  });

  it('is not looked for when no header is missing', () => {
    const [, { delivery }] = protocol2[0]!;
    const parsed = parseTask(delivery, { hostname: 'celery@here', decodeBody: () => bodyOf({ retries: 7 }) });
    expect([parsed.request.retries, parsed.body]).toEqual([0, undefined]);
  });
});

describe('times', () => {
  const etaOf = (name: string): { text: string; at: number | undefined } => {
    const { request } = read(deliveries(name)[0]!.delivery);
    return { text: String(request.eta), at: request.etaAt };
  };

  it('without an offset are UTC', () => {
    const { text, at } = etaOf('option-eta-naive');
    expect(at).toBeCloseTo(Date.parse(`${text}Z`) / 1000, 2);
  });

  it('with an offset are where it says', () => {
    const { text, at } = etaOf('option-eta-offset');
    expect(text).toMatch(/[+-]\d\d:\d\d$/);
    expect(at).toBeCloseTo(Date.parse(text) / 1000, 2);
  });
});
