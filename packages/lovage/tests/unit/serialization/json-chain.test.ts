// A chain that stays text: what is cut, put together again, is what was there.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseBody, type WireSignature } from '../../../src/protocol/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { cutChain } from '../../../src/serialization/json-chain.ts';
import { MAX_DEPTH } from '../../../src/serialization/seam.ts';
import { DecodeError } from '../../../src/util/index.ts';

const serialization = createSerialization();
const accept = new Set(['application/json']);
const decode = (text: string) =>
  serialization.decodeBody({ body: Buffer.from(text), contentType: 'application/json', contentEncoding: 'utf-8' }, accept);

const step = (name: string, more: Partial<WireSignature> = {}): WireSignature => ({
  task: name,
  args: [],
  kwargs: {},
  options: { task_id: `id of ${name}`, reply_to: 'x'.repeat(300) },
  subtask_type: null,
  immutable: false,
  ...more,
});
const STEPS = Array.from({ length: 10 }, (_, index) => step(`shop.step-${index}`));
const bodyOf = (chain: unknown, args: unknown = [1], chord: unknown = null): unknown => [
  args,
  {},
  { callbacks: null, errbacks: null, chain, chord },
];
/** As Python writes it. */
const spaced = (value: unknown): string =>
  JSON.stringify(value, undefined, 1).replaceAll(/\n */g, ' ').replaceAll('\u00e9', '\\u00e9');

test.each([
  ['compact', JSON.stringify],
  ['spaced', spaced],
])('a long chain keeps its text, and looks as if all of it had been read (%s)', (_, write) => {
  const args = [{ chain: [1, 2], text: '"chain":[ ]}\\\\"\u00e9' }];
  const { value, behind } = decode(write(bodyOf(STEPS, args, STEPS[0])));
  expect(behind?.values()).toEqual(STEPS.slice(0, -1));
  const { args: read, embed } = parseBody(value, 2, behind);
  expect(read).toEqual(args);
  expect(embed.next).toEqual(STEPS.at(-1));
  expect(embed.chain).toEqual(STEPS);
  expect(embed.chord).toEqual(STEPS[0]);
});

test('what is handed on is the text that came, whatever numbers it holds', () => {
  const steps = JSON.stringify(STEPS.map((each, index) => ({ ...each, args: [index] }))).replace(
    '[3]',
    '[12345678901234567890, 1.0, NaN]',
  );
  const { value, behind } = decode(`[[], {}, {"callbacks": null, "errbacks": null, "chain": ${steps}, "chord": null}]`);
  const { next } = parseBody(value, 2, behind).embed;
  expect(next?.task).toBe('shop.step-9');
  const { body } = serialization.encodeBody(bodyOf(null) as unknown[], behind!, 'json');
  expect(Buffer.from(body).toString()).toContain('[12345678901234567890, 1.0, NaN]');
  expect(decode(Buffer.from(body).toString()).behind?.text).toBe(
    `${behind!.text.slice(0, behind!.text.lastIndexOf(',{"task"'))}]`,
  );
});

test.each<[string, string]>([
  ['short', JSON.stringify(bodyOf(STEPS.slice(0, 2)))],
  ['little', JSON.stringify(bodyOf(STEPS.slice(0, 3), ['y'.repeat(3000)]))],
  ['none', JSON.stringify(bodyOf(null, ['"chain":['.repeat(1000)]))],
  ['empty', JSON.stringify(bodyOf([], ['y'.repeat(3000)]))],
  ['tagged', JSON.stringify(bodyOf([{ ...STEPS[0], args: [{ __type__: 'uuid', __value__: 'x' }] }, ...STEPS]))],
  ['a mapping', JSON.stringify({ args: [], chain: STEPS })],
  ['no list', JSON.stringify(bodyOf({ chain: STEPS }))],
  ['cut off', JSON.stringify(bodyOf(STEPS)).slice(0, -30)],
])('read as a whole: %s', (_, text) => {
  expect(cutChain(text)).toBeUndefined();
});

test.each<[string, string, string]>([
  ['without a comma', '},{"task":"shop.step-4"', '} {"task":"shop.step-4"'],
  ['too deep', '"args":[]', `"args":${'['.repeat(MAX_DEPTH + 1)}${']'.repeat(MAX_DEPTH + 1)}`],
  ['with an open text', '"shop.step-4"', '"shop.step-4'],
])('what is wrong with later steps is found where they are read: %s', (_, good, bad) => {
  const { value, behind } = decode(JSON.stringify(bodyOf(STEPS)).replace(good, bad));
  expect(parseBody(value, 2, behind).embed.next).toEqual(STEPS.at(-1));
  expect(() => behind?.values()).toThrow(DecodeError);
});

test('any body that is cut reads as it does whole', () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  const any = fc.record({
    args: fc.array(json),
    chain: fc.array(json, { minLength: 5, maxLength: 12 }),
    chord: json,
    pad: fc.string(),
  });
  fc.assert(
    fc.property(any, fc.boolean(), ({ args, chain, chord, pad }, wide) => {
      const value = bodyOf(chain, [...args, pad, 'z'.repeat(2000)], chord);
      const text = JSON.stringify(value, undefined, wide ? 1 : undefined);
      const cut = cutChain(text);
      if (cut === undefined) return;
      expect(JSON.parse(cut.text)).toEqual(
        JSON.parse(JSON.stringify(bodyOf(chain.slice(-1), [...args, pad, 'z'.repeat(2000)], chord))),
      );
      expect(JSON.parse(cut.behind)).toEqual(JSON.parse(JSON.stringify(chain.slice(0, -1))));
    }),
  );
});

test('a chain of something else than signatures is refused when it is looked at', () => {
  const { value, behind } = decode(JSON.stringify(bodyOf([7, ...STEPS])));
  const { embed } = parseBody(value, 2, behind);
  expect(embed.next?.task).toBe('shop.step-9');
  expect(() => embed.chain).toThrow('A signature is a mapping');
});
