// What follows what: Celery's operator `|` for every pair of kinds, and what a chain is made of when it is sent.
import { describe, expect, test } from 'vitest';
import { chain, chord, chunks, group, map, starmap } from '../../../src/index.ts';
import type { WireSignature } from '../../../src/protocol/index.ts';
import type { ErasedSignature } from '../../../src/task/index.ts';
import { project } from './support.ts';

const { app, add, identity } = project();
const t = (name: string): ErasedSignature => app.signature(name) as unknown as ErasedSignature;
const canvas = (made: unknown): ErasedSignature => made as ErasedSignature;
const chainOf = (...names: string[]): ErasedSignature =>
  names.reduce<ErasedSignature>((left, name) => left.pipe(t(name)), canvas(chain()));
const groupOf = (...names: string[]): ErasedSignature => canvas(group(...(names.map(t) as never[])));
const chordOf = (header: readonly string[], body: string): ErasedSignature =>
  canvas(chord(header.map(t) as never, t(body) as never));

/** A canvas in few letters: `a`, `C[a b]`, `G[a b]`, `D[a b > c]`. */
function shape(value: unknown): string {
  const { task, subtask_type: type, kwargs } = value as WireSignature;
  const all = (list: unknown): string => (list as unknown[]).map(shape).join(' ');
  if (type === 'chain') return `C[${all(kwargs.tasks)}]`;
  if (type === 'group') return `G[${all(kwargs.tasks)}]`;
  if (type !== 'chord') return task;
  const { header } = kwargs as { header: WireSignature | unknown[] };
  return `D[${Array.isArray(header) ? all(header) : all(header.kwargs.tasks)} > ${shape(kwargs.body)}]`.replace('[ >', '[>');
}

const lefts: Readonly<Record<string, () => ErasedSignature>> = {
  t: () => t('a'),
  chain: () => chainOf('a', 'b'),
  'empty chain': () => canvas(chain()),
  'chain(.., group)': () => chainOf('a').pipe(groupOf('g', 'h')),
  'chain(.., chord)': () => chainOf('a').pipe(chordOf(['g', 'h'], 'b')),
  group: () => groupOf('g', 'h'),
  'group of one': () => groupOf('g'),
  'empty group': () => groupOf(),
  chord: () => chordOf(['g', 'h'], 'b'),
};
const rights: Readonly<Record<string, () => ErasedSignature>> = {
  t: () => t('z'),
  chain: () => chainOf('y', 'z'),
  'empty chain': () => canvas(chain()),
  group: () => groupOf('y', 'z'),
  'group of one': () => groupOf('m'),
  'empty group': () => groupOf(),
  chord: () => chordOf(['x', 'y'], 'z'),
};

/** One line for each left side, in the order of `rights`. */
const table: Readonly<Record<string, readonly string[]>> = {
  t: ['C[a z]', 'C[a y z]', 'C[a]', 'C[a G[y z]]', 'C[a m]', 'C[a G[]]', 'C[a D[x y > z]]'],
  chain: ['C[a b z]', 'C[a b y z]', 'C[a b]', 'C[a b G[y z]]', 'C[a b m]', 'C[a b G[]]', 'C[a b D[x y > z]]'],
  'empty chain': ['C[z]', 'C[y z]', 'C[]', 'G[y z]', 'C[m]', 'G[]', 'C[D[x y > z]]'],
  'chain(.., group)': [
    'C[a D[g h > z]]',
    'C[a D[g h > C[y z]]]',
    'C[a G[g h]]',
    'C[a G[g h] G[y z]]',
    'C[a D[g h > m]]',
    'C[a G[g h] G[]]',
    'C[a D[g h > D[x y > z]]]',
  ],
  'chain(.., chord)': [
    'C[a D[g h > C[b z]]]',
    'C[a D[g h > C[b y z]]]',
    'C[a D[g h > b]]',
    'C[a D[g h > C[b G[y z]]]]',
    'C[a D[g h > C[b m]]]',
    'C[a D[g h > C[b G[]]]]',
    'C[a D[g h > b] D[x y > z]]',
  ],
  group: ['D[g h > z]', 'D[g h > C[y z]]', 'D[g h > C[]]', 'D[g h > G[y z]]', 'D[g h > G[m]]', 'G[g h]', 'D[g h > D[x y > z]]'],
  'group of one': ['D[g > z]', 'D[g > C[y z]]', 'D[g > C[]]', 'D[g > G[y z]]', 'D[g > G[m]]', 'G[g]', 'D[g > D[x y > z]]'],
  'empty group': ['D[> z]', 'D[> C[y z]]', 'D[> C[]]', 'D[> G[y z]]', 'D[> G[m]]', 'G[]', 'D[> D[x y > z]]'],
  chord: [
    'D[g h > C[b z]]',
    'C[D[g h > b] y z]',
    'C[D[g h > b]]',
    'C[D[g h > b] G[y z]]',
    'D[g h > C[b m]]',
    'C[D[g h > b] G[]]',
    'D[g h > C[b D[x y > z]]]',
  ],
};

describe('a.pipe(b)', () => {
  for (const [left, row] of Object.entries(table)) {
    test.each(Object.keys(rights).map((right, index) => [right, row[index]] as const))(`${left} | %s`, (right, expected) => {
      const [a, b] = [lefts[left]!(), rights[right]!()];
      const before = JSON.stringify([a, b]);
      expect(shape(a.pipe(b).toWire())).toBe(expected);
      expect(JSON.stringify([a, b])).toBe(before);
    });
  }

  test('map, starmap and what is like a task are like a task; chunks are their group', () => {
    const likes = [canvas(map(identity, [1])), canvas(starmap(add, [[1, 2]]))];
    for (const like of likes) {
      for (const [name, left] of Object.entries(lefts)) {
        const expected = shape(left().pipe(t('z')).toWire()).replace(/\bz\b/, like.task);
        expect(shape(left().pipe(like).toWire()), name).toBe(expected);
      }
      expect(shape(like.pipe(t('z')).toWire())).toBe(`C[${like.task} z]`);
    }
    const parts = canvas(
      chunks(
        add,
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        2,
      ),
    );
    expect(shape(t('a').pipe(parts).toWire())).toBe('C[a G[celery.starmap celery.starmap]]');
    expect(shape(parts.pipe(t('z')).toWire())).toBe('D[celery.starmap celery.starmap > z]');
  });

  test('a group of a list is never one of its members', () => {
    const one = canvas(group([t('m')] as never));
    expect(shape(t('a').pipe(one).toWire())).toBe('C[a G[m]]');
    expect(shape(t('a').pipe(one).pipe(t('z')).toWire())).toBe('C[a D[m > z]]');
  });

  test('a group behind a chord in a chain, and a task behind it, go into the body of that chord', () => {
    const made = chainOf('a')
      .pipe(chordOf(['g'], 'b'))
      .pipe(t('c'))
      .toWire();
    expect(shape(made)).toBe('C[a D[g > C[b c]]]');
    const raw = { ...made, kwargs: { tasks: [...(made.kwargs.tasks as unknown[]), groupOf('y').toWire()] } };
    expect(shape(canvas(app.signature(raw)).pipe(t('z')).toWire())).toBe('C[a D[g > C[b c D[y > z]]]]');
  });

  test('only signatures can follow', () => {
    expect(() => t('a').pipe(5 as never)).toThrow(/Only a signature can follow a\(\)/);
    expect(() => chain(add as never, add.s(1))).toThrow('Only signatures can be part of a chain; number 1 is a function');
  });
});

describe('links of a chain', () => {
  const links = (value: unknown, option: string): unknown => (value as WireSignature).options[option];
  const tasks = (made: ErasedSignature): WireSignature[] => made.toWire().kwargs.tasks as WireSignature[];

  test('on the right go to its last member, its errbacks to each', () => {
    const right = chainOf('y', 'z').link(t('next')).linkError(t('err'));
    const [a, y, z] = tasks(t('a').pipe(right));
    expect([a, y, z].map((each) => links(each, 'link'))).toEqual([undefined, undefined, [t('next').toWire()]]);
    expect([a, y, z].map((each) => links(each, 'link_error'))).toEqual([undefined, [t('err').toWire()], [t('err').toWire()]]);
  });

  test('on the left stay where its end was', () => {
    const made = chainOf('a', 'b').link(t('next')).pipe(t('c'));
    const [, b, c] = tasks(made);
    expect(links(b, 'link')).toEqual([t('next').toWire()]);
    expect([links(c, 'link'), made.options.link]).toEqual([undefined, undefined]);
  });
});
