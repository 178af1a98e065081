// Holds the house to its plan: imports go downwards only, no file cycles, drivers are reached through their room's table alone.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

/** One number per room: a file imports only from rooms with a smaller number, or its own room. */
const ROOMS: Readonly<Record<string, number>> = {
  util: 0,
  protocol: 1,
  serialization: 2,
  security: 3,
  broker: 4,
  result: 5,
  task: 6,
  canvas: 7,
  event: 7,
  pool: 7,
  app: 8,
  consumer: 8,
  worker: 9,
  beat: 9,
  dashboard: 10,
  testing: 10,
  cli: 11,
};

/** Drivers: only `drivers.ts` of their room may name them, and only by a dynamic import. */
const DRIVERS = [
  'broker/memory',
  'broker/sqlite',
  'broker/redis',
  'broker/amqp',
  'result/memory',
  'result/sqlite',
  'result/redis',
  'result/rpc',
  'result/filesystem',
  'result/memcached',
  'result/database',
  'result/cluster',
  'result/s3',
  'result/dynamodb',
  'result/azure',
  'result/etcd',
  'beat/stores/memory',
  'beat/stores/sqlite',
  'beat/stores/redis',
  'beat/stores/sql',
  'pool/async',
  'pool/solo',
  'pool/threads',
  'pool/prefork',
];

const SRC = resolve(import.meta.dirname, '../src');

interface Import {
  readonly from: string;
  readonly to: string;
  readonly dynamic: boolean;
}

const files = globSync('**/*.ts', { cwd: SRC }).sort();
const roomOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : '');

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(SRC, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  const to = (specifier: string): string => relative(SRC, resolve(SRC, dirname(file), specifier));
  for (const match of text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"](\.[^'"]+)['"]/g))
    found.push({ from: file, to: to(match[1] as string), dynamic: false });
  for (const match of text.matchAll(/\bimport\s*\(\s*['"](\.[^'"]+)['"]\s*\)/g))
    found.push({ from: file, to: to(match[1] as string), dynamic: true });
  return found;
}

const imports = files.flatMap(importsOf);

describe('the house', () => {
  test('every file lies in a known room, or is the front door', () => {
    expect(files.filter((file) => file !== 'index.ts' && !(roomOf(file) in ROOMS))).toEqual([]);
  });

  test('every room has a door that opens with a paragraph', () => {
    const rooms = [...new Set(files.map(roomOf))].filter((room) => room !== '');
    const without = rooms.filter(
      (room) => !files.includes(`${room}/index.ts`) || !readFileSync(join(SRC, room, 'index.ts'), 'utf8').startsWith('// '),
    );
    expect(without).toEqual([]);
  });

  test('imports go to rooms with a smaller number', () => {
    const wrong = imports
      .filter(({ from, to }) => from !== 'index.ts' && roomOf(from) !== roomOf(to))
      .filter(({ from, to }) => !((ROOMS[roomOf(to)] ?? Number.POSITIVE_INFINITY) < (ROOMS[roomOf(from)] ?? -1)))
      .map(({ from, to }) => `${from} must not import ${to}: room ${roomOf(to)} is not below ${roomOf(from)}`);
    expect(wrong).toEqual([]);
  });

  test('another room is entered through its door', () => {
    // util has no secrets: its larger tools are imported by file, so that the door stays light.
    const wrong = imports
      .filter(({ from, to }) => roomOf(from) !== roomOf(to) && roomOf(to) !== 'util' && !to.endsWith('/index.ts'))
      .map(({ from, to }) => `${from} must import ${roomOf(to)}/index.ts, not ${to}`);
    expect(wrong).toEqual([]);
  });

  test('the front door loads no worker, pool, consumer, command line or driver', () => {
    const reached = new Set<string>(['index.ts']);
    for (const file of reached)
      for (const { to, dynamic } of imports.filter(({ from }) => from === file)) if (!dynamic) reached.add(to);
    const closed = [...reached].filter(
      (file) =>
        ['worker', 'pool', 'consumer', 'cli', 'beat', 'dashboard'].includes(roomOf(file)) ||
        DRIVERS.includes(file.replace(/\.ts$/, '')),
    );
    expect(closed).toEqual([]);
  });

  test('a driver is named by its drivers.ts only, and only in a dynamic import', () => {
    const isDriver = (file: string): boolean => DRIVERS.includes(file.replace(/\.ts$/, ''));
    const within = (from: string, to: string): boolean => from.startsWith(`${to.replace(/\.ts$/, '')}/`);
    const wrong = imports
      .filter(({ from, to, dynamic }) => isDriver(to) && !within(from, to) && !(dynamic && from === `${roomOf(to)}/drivers.ts`))
      .map(({ from, to }) => `${from} imports the driver ${to}`);
    expect(wrong).toEqual([]);
  });

  test('no file imports itself in a circle', () => {
    const graph = new Map(
      files.map((file) => [file, imports.filter(({ from, dynamic }) => from === file && !dynamic).map(({ to }) => to)]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      if (done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
