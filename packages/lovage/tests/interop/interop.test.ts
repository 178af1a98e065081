// Lovage and Celery on the same brokers, both ways; the table of docs/interop.md is what this run saw.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerName, type Interop, startInterop } from './environment.ts';
import { FEATURES } from './features.ts';
import { interopPage } from './page.ts';

const BROKERS: readonly BrokerName[] = ['Redis', 'RabbitMQ'];
const DIRECTIONS = ['Python → Lovage', 'Lovage → Python'] as const;
const seen = new Map<string, boolean>();
const key = (feature: string, direction: string, broker: string): string => `${feature}\n${direction}\n${broker}`;

describe.each(BROKERS)('on %s', (broker) => {
  let interop: Interop;
  beforeAll(async () => {
    interop = await startInterop(broker);
  });
  afterAll(() => interop?.[Symbol.asyncDispose]());

  describe.each(DIRECTIONS)('%s', (direction) => {
    test.each(FEATURES.map((feature) => [feature.name, feature] as const))('%s', async (name, feature) => {
      seen.set(key(name, direction, broker), false);
      await (direction === DIRECTIONS[0] ? feature.toLovage(interop) : feature.toPython(interop));
      seen.set(key(name, direction, broker), true);
    });
  });
});

test('every row was run and passed, and the table in the docs says so', () => {
  const wanted = FEATURES.flatMap(({ name }) =>
    DIRECTIONS.flatMap((direction) => BROKERS.map((broker) => key(name, direction, broker))),
  );
  expect(wanted.filter((row) => seen.get(row) !== true)).toEqual([]);
  const file = resolve(import.meta.dirname, '../../../../docs/interop.md');
  const page = interopPage(
    FEATURES,
    DIRECTIONS,
    BROKERS,
    (feature, direction, broker) => seen.get(key(feature, direction, broker)) === true,
  );
  writeFileSync(file, page);
  expect(readFileSync(file, 'utf8')).toBe(page);
});
