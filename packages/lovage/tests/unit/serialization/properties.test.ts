import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createErrorRegistry,
  formatTime,
  parseBody,
  parseMeta,
  parseResultTuple,
  parseTask,
  parseTime,
  readException,
  saferepr,
  topicMatches,
  topicPattern,
  writeException,
  writeMeta,
  writeTaskBody,
  writeTaskHeaders,
} from '../../../src/protocol/index.ts';
import { createSerialization, DateTime, Decimal, PlainDate, PlainTime, Uuid } from '../../../src/serialization/index.ts';
import { ContentError, InvalidTaskError } from '../../../src/util/index.ts';

const serialization = createSerialization({ maxBytes: 1_000_000 });
const accept = serialization.accept(['json', 'msgpack', 'yaml']);

const numbers = fc.oneof(fc.integer(), fc.double(), fc.maxSafeInteger(), fc.constantFrom(-0, 2 ** 53, 1e16, 1e-7, 5e-324));
const text = fc.string({ unit: 'binary' });
const big = (bits: bigint) =>
  fc.bigInt({ min: -(2n ** bits), max: 2n ** bits }).filter((value) => !Number.isSafeInteger(Number(value)));
const bytes = fc.uint8Array();
const two = (value: number): string => String(value).padStart(2, '0');
const micros = fc.integer({ min: 1, max: 999_999 }).map((value) => `.${String(value).padStart(6, '0')}`);
const time = fc
  .tuple(fc.nat(23), fc.nat(59), fc.nat(59), fc.option(micros, { nil: '' }))
  .map(([h, m, s, f]) => `${two(h)}:${two(m)}:${two(s)}${f}`);
const zone = fc.constantFrom('', '+00:00', '+05:30', '-11:15');
const day = fc
  .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));
const moments = fc
  .tuple(day, time, zone)
  .filter(([, , z]) => z !== '+00:00')
  .map(([d, t, z]) => new DateTime(`${d}T${t}${z}`));
const dates = fc.date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true });
const decimals = fc.tuple(fc.bigInt(), fc.nat(20)).map(([digits, power]) => new Decimal(`${digits}.${power}E-${power}`));
const typed = fc.oneof(
  dates,
  moments,
  day.map((value) => new PlainDate(value)),
  fc.tuple(time, zone).map(([t, z]) => new PlainTime(t + z)),
  decimals,
  fc.uuid().map((value) => new Uuid(value)),
);

/** Values of one kind nested in lists and objects, with keys of any text. */
function nested(leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '__type__')), tie('value'), {
        maxKeys: 5,
        noNullPrototype: true,
      }),
    ),
  }));
  return value;
}
const plain = [fc.constant(null), fc.boolean(), numbers, text, bytes];

describe('what is encoded decodes to the same', () => {
  it.each([
    ['json', nested(fc.oneof(...plain, big(300n), typed))],
    ['msgpack', nested(fc.oneof(...plain, big(62n)))],
  ])('%s', (name, values) => {
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 'gzip', 'zstd', 'brotli'), (value, compression) => {
        // An object that is nothing but a tag is Celery's own collision: it cannot round trip, by design.
        fc.pre(!JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? 0 : item)).includes('__value__'));
        expect(serialization.decode(serialization.encode(value, name, compression), accept)).toEqual(value);
      }),
      { numRuns: 400 },
    );
  });

  it('yaml', () => {
    // YAML has no text for most control characters; printable ones are what it is for.
    const printable = fc.string({ unit: fc.constantFrom(...'abcXYZ 019:-_?!&*#|>{}[]%@`\'",.~\néß€') });
    const values = nested(
      fc.oneof(fc.constant(null), fc.boolean(), fc.integer(), fc.double({ noNaN: true }), printable, bytes, dates, moments),
    );
    const keys = (value: unknown): boolean =>
      !JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? 0 : item)).includes('\\u');
    fc.assert(
      fc.property(values, (value) => {
        fc.pre(keys(value));
        expect(serialization.decode(serialization.encode(value, 'yaml'), accept)).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });
});

/** Only errors of these kinds may come out, whatever goes in. */
function onlyOurs(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ContentError) && !(error instanceof InvalidTaskError)) throw error;
  }
}

const names = fc.constantFrom(
  'task',
  'id',
  'args',
  'kwargs',
  'eta',
  'expires',
  'retries',
  'timelimit',
  'group',
  'stamps',
  'stamped_headers',
  'headers',
  'callbacks',
  'chord',
  'utc',
  'taskset',
  '__proto__',
);
const hostile = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    ...plain,
    fc.bigInt(),
    fc.constant(undefined),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(names, text), tie('value'), { maxKeys: 6 }),
  ),
})).value;

describe('hostile input', () => {
  const mutated = fc
    .tuple(fc.constantFrom('json', 'msgpack', 'yaml'), hostile, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
    .map(([name, value, changes]) => {
      let body = Buffer.from('');
      onlyOurs(() => {
        body = Buffer.from(serialization.encode(value, name).body);
      });
      for (const [at, byte] of changes) if (body.length > 0) body[at % body.length] = byte;
      return { body: new Uint8Array(body), contentType: serialization.serializer(name).contentType };
    });

  it('is read or refused by every serializer', () => {
    fc.assert(
      fc.property(mutated, (input) => onlyOurs(() => serialization.decode(input, accept))),
      { numRuns: 1500 },
    );
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom(...accept),
        fc.option(fc.constantFrom('gzip', 'brotli', 'zstd', 'x'), { nil: undefined }),
        (body, contentType, compression) => onlyOurs(() => serialization.decode({ body, contentType, compression }, accept)),
      ),
      { numRuns: 1500 },
    );
  });

  it('is a task or an InvalidTaskError', () => {
    const headers = fc.oneof(
      hostile,
      fc.dictionary(names, hostile).map((extra) => ({ task: 'a', id: 'b', ...extra })),
    );
    fc.assert(
      fc.property(headers, hostile, (wire, decoded) =>
        onlyOurs(() => {
          const delivery = {
            exchange: '',
            routingKey: '',
            headers: wire as Record<string, unknown>,
            properties: {},
            body: new Uint8Array(),
            redelivered: false,
            attempts: 1,
          };
          const { request, body } = parseTask(delivery, { hostname: 'here', decodeBody: () => decoded });
          expect(request.id).not.toBe('');
          const { args, kwargs, embed } = body ?? parseBody(decoded);
          writeTaskHeaders({ ...request, args, kwargs, embed });
          writeTaskBody(args, kwargs, embed);
        }),
      ),
      { numRuns: 2000 },
    );
  });

  it('is a result record, an exception or a refusal', () => {
    const registry = createErrorRegistry();
    fc.assert(
      fc.property(hostile, (value) => {
        onlyOurs(() => writeMeta(parseMeta(value)));
        onlyOurs(() => parseResultTuple(value));
        expect(readException(value, registry)).toBeInstanceOf(Error);
        expect(writeException(value, () => false, registry)).toMatchObject({ exc_type: expect.any(String) });
      }),
      { numRuns: 1000 },
    );
  });

  it('has a text within its bounds', () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 1, max: 200 }), (value, maxLength) => {
        // The last piece may double (escaped quotes, hex), and every open bracket may still be closed.
        expect(saferepr(value, { maxLength }).length).toBeLessThanOrEqual(maxLength * 4 + 40);
      }),
      { numRuns: 1000 },
    );
  });

  it('is a moment or none', () => {
    fc.assert(
      fc.property(text, (value) => {
        const time = parseTime(value);
        expect(time === undefined || Number.isFinite(time)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e15 }), (value) => {
        expect(Math.abs((parseTime(formatTime(value / 1e6)) ?? 0) - value / 1e6)).toBeLessThan(2e-6);
      }),
    );
    fc.assert(
      fc.property(text, text, (pattern, key) => {
        topicMatches(topicPattern(pattern), key);
      }),
    );
  });
});
