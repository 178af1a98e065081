import { describe, expect, it } from 'vitest';
import {
  formatTime,
  groupKey,
  keyPrefix,
  parseResultTuple,
  parseSignature,
  parseTime,
  resultKey,
  resultTuple,
  topicMatches,
  topicPattern,
} from '../../../src/protocol/index.ts';
import { DecodeError, InvalidTaskError } from '../../../src/util/index.ts';
import { capture } from './vectors.ts';

describe('topic patterns of virtual transports', () => {
  const cases = capture('fn-topic-match').cases as unknown as readonly {
    binding_key: string;
    stored_regex: string;
    matches: Record<string, boolean>;
  }[];
  it.each(cases)('$binding_key', ({ binding_key: key, stored_regex: stored, matches }) => {
    expect(topicPattern(key)).toBe(stored);
    for (const [routingKey, expected] of Object.entries(matches))
      expect([routingKey, topicMatches(stored, routingKey)]).toEqual([routingKey, expected]);
  });

  it('that are broken match nothing', () => expect(topicMatches('^(', 'a')).toBe(false));
});

describe('signatures', () => {
  const cases = capture('fn-signature-json').cases as unknown as readonly { python: string; json: string }[];
  it.each(cases)('$python stays as it is', ({ json }) => {
    const wire: unknown = JSON.parse(json);
    expect(parseSignature(wire)).toEqual(wire);
    expect(JSON.stringify(parseSignature(wire))).toBe(JSON.stringify(wire));
  });

  it.each([null, 'add', {}, { task: '' }, { task: 'a', args: 1 }, { task: 'a', kwargs: [] }])('%j is none', (value) => {
    expect(() => parseSignature(value)).toThrow(InvalidTaskError);
  });
});

describe('result tuples', () => {
  const tuples = [
    [['T', null], null],
    [['T2', [['T1', null], null]], null],
    [
      ['G', null],
      [
        [['A', null], null],
        [['B', null], null],
      ],
    ],
    [
      [
        'BODY',
        [
          ['G', null],
          [
            [['A', null], null],
            [['B', null], null],
          ],
        ],
      ],
      null,
    ],
  ];
  it.each(tuples)('%j is read and written', (...tuple) => {
    expect(resultTuple(parseResultTuple(tuple))).toEqual(tuple);
  });

  it('may be a bare id', () => {
    expect(parseResultTuple('T')).toEqual({ id: 'T' });
    expect(parseResultTuple(['T', null])).toEqual({ id: 'T' });
  });

  it('without an id, or without end, are refused', () => {
    let endless: unknown = null;
    for (let index = 0; index < 10_000; index++) endless = [['id', endless], null];
    for (const bad of [null, 1, [], [[null, null], null], [[''], null], endless])
      expect(() => parseResultTuple(bad)).toThrow(DecodeError);
  });
});

describe('keys', () => {
  it('stand behind a prefix that ends in a mark', () => {
    expect(resultKey('id', keyPrefix('myapp'))).toBe('myapp_celery-task-meta-id');
    expect(groupKey('id', keyPrefix('myapp:'))).toBe('myapp:celery-taskset-meta-id');
    expect(resultKey('id', keyPrefix(undefined))).toBe('celery-task-meta-id');
  });
});

describe('times', () => {
  it.each([
    ['2026-01-02T03:04:15.678901+00:00', 1767323055.678901],
    ['2026-01-02T03:04:15Z', 1767323055],
    ['20260102T030415Z', 1767323055],
    ['2026-01-02 05:04:15+02:00', 1767323055],
    ['2026-01-02T03:04:15', 1767323055],
    ['2026-01-02', 1767312000],
    ['2026-01-01T23:34:15.5-0330', 1767323055.5],
  ])('%s is read', (text, seconds) => expect(parseTime(text)).toBeCloseTo(seconds, 5));

  it.each(['', 'tomorrow', '2026-02-30', '2026-01-02T25:00:00', '2026-13-01', '12', '2026-01-02T03:04:15+99:00'])(
    '%j is none',
    (text) => {
      expect(parseTime(text)).toBeUndefined();
    },
  );

  it.each([
    [1767323055, '2026-01-02T03:04:15+00:00'],
    [1767323055.5, '2026-01-02T03:04:15.500000+00:00'],
    [1767323055.678901, '2026-01-02T03:04:15.678901+00:00'],
    [0.9999999, '1970-01-01T00:00:01+00:00'],
    [-0.5, '1969-12-31T23:59:59.500000+00:00'],
  ])('%d is written %s', (seconds, text) => expect(formatTime(seconds)).toBe(text));
});
