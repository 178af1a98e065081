// A mold reads what the parser reads, or nothing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonMolds, type Molded } from '../../../src/util/index.ts';

const PLACES = { body: ['body'], id: ['headers', 'id'], root: ['headers', 'root_id'] };
const NUMBERS = { index: ['headers', 'index'] };
type Index = (name: string) => number;

function molds(): { read(text: string): Molded<{ index: Index }> | undefined; learn(text: string): void } {
  const made = new JsonMolds<{ index: Index }>(PLACES, NUMBERS);
  return { read: (text) => made.read(text), learn: (text) => made.learn(text, (index) => ({ index })) };
}

const message = (id: string, more: object = {}): string =>
  JSON.stringify({ body: 'W10=', headers: { task: 'add', id, root_id: id, retries: 0 }, properties: { priority: 0 }, ...more });

describe('a mold', () => {
  it('reads the next text that is alike, and no other', () => {
    const { read, learn } = molds();
    expect(read(message('a'))).toBeUndefined();
    learn(message('a'));
    const found = read(message('b'));
    expect(found?.texts[found.shape.index('id')]).toBe('b');
    expect(found?.texts[found.shape.index('body')]).toBe('W10=');
    for (const other of [
      message('b', { more: 1 }),
      message('b').replace('"retries":0', '"retries":1'),
      message('b').slice(0, -1),
      `${message('b')} `,
      message('b').replace('"b"', '"b\\n"'),
      message('b').replace('"b"', '"b","id":"c"'),
      message('b').replace('"b"', '7'),
    ]) {
      expect(read(other)).toBeUndefined();
    }
  });

  it('reads numbers that differ, as the parser would', () => {
    const { read, learn } = molds();
    const numbered = (index: string): string => message('a').replace('"retries":0', `"index":${index},"retries":0`);
    learn(numbered('7'));
    for (const digits of ['0', '1', '42', '999999999999999']) {
      const found = read(numbered(digits));
      expect(found?.texts[found.shape.index('index')]).toBe(digits);
    }
    for (const other of ['', '-1', '1.5', '1e3', '01', '00', '1000000000000000', '"1"', 'null', ' 1', '1 ']) {
      expect(read(numbered(other)), other).toBeUndefined();
    }
  });

  it.each(['-1', '1.5', '2e3', '"1"', 'null', '01'])('keeps to a number that is %s', (number) => {
    const { read, learn } = molds();
    const numbered = (index: string): string => message('a').replace('"retries":0', `"index":${index},"retries":0`);
    learn(numbered(number));
    for (const other of ['2', '-2', '2.5', '"2"']) expect(read(numbered(other))?.texts.includes(other) ?? false).toBe(false);
  });

  it('is not made of a text in which a string of another place has the same key', () => {
    const { read, learn } = molds();
    const text = message('a', { stamps: { id: 'mine' } });
    learn(text);
    expect(read(text)).toBeUndefined();
  });

  it('is not made of a text that names a key twice', () => {
    const { read, learn } = molds();
    const text = message('a').replace('"task"', '"id":"first","task"');
    learn(text);
    expect(read(text)).toBeUndefined();
  });

  it.each(['no json', '', '{"body": "a"', '"id": "a"', '7'])('is not made of %j', (text) => {
    const { read, learn } = molds();
    learn(text);
    expect(read(text)).toBeUndefined();
  });

  it('keeps the object that was made of the first text', () => {
    const { read, learn } = molds();
    learn(message('a'));
    expect(read(message('b'))?.shape).toBe(read(message('c'))?.shape);
  });

  it('stops learning texts that never come again', () => {
    const { read, learn } = molds();
    for (let n = 0; n < 100; n++) learn(message('a', { n }));
    expect(read(message('b', { n: 99 }))).toBeUndefined();
    expect(read(message('b', { n: 15 }))).toBeDefined();
  });

  it('agrees with the parser about every text', () => {
    const words = fc.string({ unit: fc.constantFrom('a', 'b', '"', '\\', '{', '}', ':', ',', ' ', 'é', '\u0001'), maxLength: 8 });
    const count = fc.oneof(fc.nat(), fc.constantFrom(null, -1, 0.5, 1e21, 'a'));
    const anything = fc.record({ body: words, id: fc.oneof(words, fc.constant(null)), root: words, more: words, count });
    type Anything = { body: string; id: string | null; root: string; more: string; count: number | string | null };
    const textOf = ({ body, id, root, more, count }: Anything): string =>
      JSON.stringify({
        body,
        headers: { more, id, root_id: root, id2: more, index: count },
        properties: { id: more.length > 6 ? more : 1, index: more.length > 7 ? count : '' },
      });
    fc.assert(
      fc.property(fc.array(anything, { minLength: 2, maxLength: 12 }), (messages) => {
        const { read, learn } = molds();
        for (const each of messages) {
          const text = textOf(each);
          const found = read(text);
          if (found === undefined) learn(text);
          else {
            const { texts, shape } = found;
            expect([texts[shape.index('body')], texts[shape.index('root')]]).toEqual([each.body, each.root]);
            // What was null in the first text is null in all.
            expect(texts[shape.index('id')] ?? null).toBe(each.id);
            // A number that is none of those that may differ is the same in all.
            const digits = texts[shape.index('index')];
            expect(digits ?? JSON.parse(text).headers.index).toEqual(digits === undefined ? each.count : String(each.count));
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
