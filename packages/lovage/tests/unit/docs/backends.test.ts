// The table of docs/backends.md says of each store what the store says of itself, and no store is missing.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openBackend, type ResultBackend } from '../../../src/result/index.ts';
import { optionsFor } from '../../conformance/result/harness.ts';

const ROOT = resolve(import.meta.dirname, '../../../../..');
const page = readFileSync(join(ROOT, 'docs/backends.md'), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, address = '', needs = '', ...rest]) => ({ address, needs: needs.replaceAll('`', ''), told: rest.slice(0, 6) }));

function writesOf({ features, name }: ResultBackend): string {
  if (features.fence) return 'fenced';
  if (features.persistent) return 'first ready state wins';
  return name === 'disabled' ? 'not kept' : 'sent, not kept';
}

function expiryOf({ features, cleanup }: ResultBackend): string {
  if (features.autoExpire) return 'by itself';
  return cleanup === undefined ? 'by rules of the store' : 'by clean-up';
}

/** What a row has to say. */
function truthOf(backend: ResultBackend): readonly string[] {
  const { features, chords, chordsNeed, groups, revokes, name } = backend;
  const polls = features.persistent && chordsNeed === undefined;
  const joins = chords === undefined ? (polls ? 'polled' : 'refused') : 'counted';
  const waits = name === 'disabled' ? 'refused' : features.messages === true ? 'told' : 'asks';
  return [
    writesOf(backend),
    expiryOf(backend),
    groups === undefined ? 'no' : 'yes',
    joins,
    waits,
    revokes === undefined ? 'no' : 'kept',
  ];
}

async function opened(address: string): Promise<ResultBackend> {
  const [, url = '', option, value] = /^`([^`]+)`(?: with `(\w+): '([^']+)'`)?$/.exec(address) ?? [];
  const transportOptions = {
    ...(option === undefined ? {} : { [option]: value }),
    ...(url.startsWith('sentinel') ? { masterName: 'm' } : {}),
  };
  return openBackend(optionsFor(url, { transportOptions, broker: { url: 'amqp://localhost//', transportOptions: {} } }));
}

test.each(rows)('$address is as its row says', async ({ address, told }) => {
  await using backend = await opened(address);
  expect(told).toEqual(truthOf(backend));
});

test('every scheme has a row', async () => {
  const error: unknown = await openBackend(optionsFor('nothing://')).catch((caught: unknown) => caught);
  const schemes = /Known schemes: ([^.]+)\./.exec(String(error))?.[1]?.split(', ') ?? [];
  // Other names of stores that have a row.
  const same = ['rediss', 'redis+socket', 'rediss+cluster', 'database'];
  const named = rows.map(({ address }) => /^`([a-z0-9+]+):/.exec(address)?.[1] ?? '');
  const missing = schemes.filter(
    (scheme) => !same.includes(scheme) && !named.some((name) => name === scheme || name.startsWith(`${scheme}+`)),
  );
  expect(schemes.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

test('every client package that a row names is an optional peer', () => {
  const { peerDependenciesMeta } = JSON.parse(readFileSync(join(ROOT, 'packages/lovage/package.json'), 'utf8')) as {
    readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  };
  const wanted = new Set(rows.flatMap(({ needs }) => needs.split(' ')).filter((name) => name !== ''));
  expect([...wanted].filter((name) => peerDependenciesMeta[name]?.optional !== true)).toEqual([]);
  // The sun is beat's.
  const ofStores = Object.keys(peerDependenciesMeta).filter((name) => name !== 'astronomy-engine');
  expect(wanted).toEqual(new Set(ofStores));
});
