// Bytes and values, broken by chance from a seed.
import type { Random } from '../faults/harness/random.ts';

const WORDS = [
  '__proto__',
  'constructor',
  '{',
  '[',
  '"',
  '\\',
  '%',
  '*',
  '\u0000',
  '\ud800',
  '../',
  '://',
  '@',
  ';',
  'NaN',
  '1e999',
  '-1',
  '9'.repeat(400),
  'é',
  '\u001b[2J',
  '\r\n',
];
const ODD: readonly unknown[] = [
  ...[
    null,
    true,
    '',
    -1,
    1.5,
    1e308,
    2 ** 53 + 2,
    Number.NaN,
    [],
    {},
    [[[]]],
    '\u0000',
    '\ud800',
    '../../etc/passwd',
    'x'.repeat(5000),
  ],
  ...[
    JSON.parse('{"__proto__": {"polluted": 1}}'),
    JSON.parse('{"constructor": {"prototype": {"polluted": 1}}}'),
    [null, {}, 'a'],
  ],
  ...[{ task: 'a', args: 'no', kwargs: 1, options: [] }, 'celery', '__proto__'],
];

/** Some bytes turned, cut, doubled or put in. */
export function brokenBytes(bytes: Buffer, random: Random): Buffer {
  let broken: Buffer = Buffer.from(bytes);
  for (let count = random.int(1, 4); count > 0; count--) {
    const at = random.int(0, broken.length);
    const [before, after] = [broken.subarray(0, at), broken.subarray(at)];
    broken = random.pick<() => Buffer>([
      () => Buffer.concat([before, Buffer.of(random.int(0, 255)), after.subarray(1)]),
      () => before,
      () => Buffer.concat([before, Buffer.from(random.pick(WORDS)), after]),
      () => Buffer.concat([before, after.subarray(random.int(0, after.length))]),
      () => Buffer.concat([before, after, after].map((part) => part.subarray(0, 100_000))),
      () =>
        Buffer.concat([before, Buffer.from(random.pick(['[', '{"a":', '(', '%('] as const).repeat(random.int(1, 2000))), after]),
    ])();
  }
  return broken;
}

/** A value of another shape somewhere inside. */
export function brokenValue(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.next() < 0.15) return random.pick(ODD);
  const keys = Object.keys(value);
  if (keys.length === 0) return random.pick(ODD);
  const key = random.pick(keys);
  const copy = structuredClone(value) as Record<string, unknown>;
  if (random.next() < 0.2) delete copy[key];
  else put(copy, key, brokenValue(copy[key], random));
  if (random.next() < 0.1 && !Array.isArray(copy)) put(copy, random.pick(WORDS), random.pick(ODD));
  return copy;
}

/** As decoders do it: a property of its own whatever its name, never another prototype. */
function put(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
