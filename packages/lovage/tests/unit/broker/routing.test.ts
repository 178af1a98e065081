import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { matchesPattern, topicPattern } from '../../../src/broker/index.ts';

interface Vector {
  readonly cases: readonly {
    readonly binding_key: string;
    readonly stored_regex: string;
    readonly matches: Readonly<Record<string, boolean>>;
  }[];
}

const vector = JSON.parse(readFileSync(new URL('../../vectors/fn-topic-match.json', import.meta.url), 'utf8')) as Vector;

test.each(vector.cases.map((entry) => [entry.binding_key, entry] as const))(
  'the pattern of %s is the text that Celery stores',
  (key, entry) => {
    expect(topicPattern(key)).toBe(entry.stored_regex);
    for (const [routingKey, matches] of Object.entries(entry.matches)) {
      expect([routingKey, matchesPattern(entry.stored_regex, routingKey)]).toEqual([routingKey, matches]);
    }
  },
);

test('characters that mean something to a regular expression are taken as they are', () => {
  expect(topicPattern('w_1-x.(a|b)$')).toBe('^w\\_1\\-x\\.\\(a\\|b\\)\\$$');
  expect(matchesPattern(topicPattern('w_1-x.(a|b)$'), 'w_1-x.(a|b)$')).toBe(true);
  expect(matchesPattern(topicPattern('größe.日本'), 'größe.日本')).toBe(true);
});

test('a stored pattern that is no regular expression takes nothing', () => {
  expect(matchesPattern('^a\\.**$', 'a.b')).toBe(false);
});
