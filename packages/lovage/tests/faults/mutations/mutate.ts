// Mutations of real messages, drawn from a seed: broken bytes, wrong shapes, wrong words, forged marks.
import type { Random } from '../harness/random.ts';
import type { Wire } from './messages.ts';

/** Every header that a worker reads, Celery's and our own. */
const FIELDS = [
  ...['lang', 'task', 'id', 'shadow', 'eta', 'expires', 'group', 'group_index', 'retries', 'timelimit', 'root_id', 'parent_id'],
  ...['argsrepr', 'kwargsrepr', 'origin', 'ignore_result', 'replaced_task_nesting', 'stamped_headers', 'stamps', 'compression'],
  ...['redelivered', 'x-lovage-attempts', 'x-lovage-death', 'x-delivery-count', 'x-death', 'utc', 'chord', 'callbacks', 'args'],
];
const DANGEROUS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'];
const PROPERTIES = ['correlation_id', 'reply_to', 'priority', 'delivery_mode', 'delivery_info', 'body_encoding', 'delivery_tag'];
const TYPES = [
  ...['application/json', 'application/x-yaml', 'application/x-msgpack', 'application/x-python-serialize', 'application/data'],
  ...[
    'text/plain',
    '',
    'application/json; charset=utf-8',
    '__proto__',
    'constructor',
    'APPLICATION/JSON',
    '\u0000',
    'x'.repeat(500),
  ],
];
const ENCODINGS = ['utf-8', 'binary', 'latin-1', 'utf-16', 'ascii', 'us-ascii', '', '__proto__', 'base64', 'rot13'];
const COMPRESSIONS = [
  'application/x-gzip',
  'application/zstd',
  'application/x-brotli',
  'application/x-bz2',
  'application/x-lzma',
  'zlib',
  'toString',
];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** An own property of that name, as JSON.parse makes it. */
function dangerous(random: Random): unknown {
  return JSON.parse(
    `{"${random.pick(DANGEROUS)}": {"polluted": true, "toString": 1}, "constructor": {"prototype": {"polluted": 1}}}`,
  );
}

const ODD: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => true,
  () => '',
  () => -1,
  () => 1.5,
  () => 1e308,
  () => 2 ** 53 + 2,
  () => -2_147_483_649,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => [],
  () => ({}),
  () => [[[]]],
  () => '\u0000',
  () => '\ud800',
  () => '../../etc/passwd',
  () => '2026-13-45T99:99:99',
  () => '9999-12-31T23:59:59+23:59',
  () => '0000-00-00',
  () => 'é'.repeat(3000),
  () => new Date(Date.now() + 60_000).toISOString(),
  () => [null, undefined, 'x'],
  () => [{ task: 'mutant.echo', args: 'no', kwargs: 1, options: null }],
  () => ({ task: {}, subtask_type: 'chain', kwargs: { tasks: [1, 2] } }),
  () => nested(60),
  dangerous,
  (random) => random.pick(DANGEROUS),
  (random) => random.int(-1000, 1_000_000),
];

const odd = (random: Random): unknown => random.pick(ODD)(random);

type Mutation = (wire: Wire, random: Random, others: readonly Wire[]) => void;

function bytes(wire: Wire, random: Random, change: (body: Buffer, at: number) => Buffer): void {
  if (wire.body.length > 0) wire.body = change(Buffer.from(wire.body), random.int(0, wire.body.length - 1));
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.int(0, 255)));
}

function anywhere(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.next() < 0.2) return odd(random);
  const keys = Object.keys(value);
  if (keys.length === 0) return odd(random);
  const key = random.pick(keys);
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  const at = copy as Record<string, unknown>;
  if (random.next() < 0.2) delete at[key];
  else at[key] = anywhere(at[key], random);
  return copy;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? 'undefined');
}

function reshaped(wire: Wire, random: Random): void {
  try {
    wire.body = json(anywhere(JSON.parse(wire.body.toString()), random));
  } catch {
    wire.body = json(odd(random));
    wire.contentType = 'application/json';
  }
}

const NUMBERS = ['1e400', '-1e400', '9007199254740993', 'NaN', '-Infinity', '1'.repeat(5000), '0x10', '01', '1e-999', '-0'];

const MUTATIONS: readonly Mutation[] = [
  (wire, random) =>
    bytes(wire, random, (body) => {
      for (let count = random.int(1, 8); count > 0; count--) {
        const at = random.int(0, body.length - 1);
        body[at] = (body[at] ?? 0) ^ (1 << random.int(0, 7));
      }
      return body;
    }),
  (wire, random) => bytes(wire, random, (body, at) => body.subarray(0, at)),
  (wire, random) =>
    bytes(wire, random, (body, at) => Buffer.concat([body.subarray(0, at), noise(random, random.int(1, 40)), body.subarray(at)])),
  (wire) => {
    wire.body = Buffer.alloc(0);
  },
  (wire, random) => {
    wire.body = noise(random, random.int(1, 300));
  },
  (wire, random, others) => {
    const other = random.pick(others);
    Object.assign(
      wire,
      random.pick([{ headers: { ...other.headers } }, { properties: { ...other.properties } }, { body: other.body }]),
    );
  },
  (wire, random) => {
    wire.headers[random.pick(FIELDS)] = odd(random);
  },
  (wire, random) => {
    for (let count = random.int(2, 6); count > 0; count--) wire.headers[random.pick(FIELDS)] = odd(random);
  },
  (wire, random) => {
    delete wire.headers[random.pick(['task', 'id', 'retries', 'root_id', ...FIELDS])];
  },
  (wire, random) => {
    wire.headers = random.next() < 0.5 ? {} : { id: wire.headers.id };
  },
  (wire) => {
    wire.headers.id = 'the-same-id';
  },
  (wire, random) => {
    wire.headers.task = random.pick([...DANGEROUS, 'mutant.ech', 'a'.repeat(2000), 'proj..add', '\u001b[31mred']);
  },
  (wire, random) => {
    wire.headers = { ...wire.headers, ...(dangerous(random) as object) };
  },
  (wire) => {
    // An own key of that name, which no assignment makes.
    const fields = JSON.stringify({ lang: 'js', ...wire.headers }).slice(1);
    wire.headers = JSON.parse(`{"__proto__": {"polluted": true}, ${fields}`) as Wire['headers'];
  },
  (wire, random) => {
    wire.properties[random.pick(PROPERTIES)] = odd(random);
  },
  (wire, random) => {
    wire.contentType = random.pick(TYPES);
  },
  (wire, random) => {
    wire.contentEncoding = random.pick(ENCODINGS);
  },
  (wire, random) => {
    wire.headers.compression = random.pick(COMPRESSIONS);
  },
  (wire, random) => {
    wire.contentType = odd(random);
    wire.contentEncoding = odd(random);
  },
  reshaped,
  reshaped,
  reshaped,
  (wire, random) => {
    wire.contentType = 'application/json';
    wire.body = Buffer.from(`[[${random.pick(NUMBERS)}], {"n": ${random.pick(NUMBERS)}}, {}]`);
  },
  (wire, random) => {
    const depth = random.pick([500, 5000, 100_000]);
    wire.contentType = 'application/json';
    wire.body = Buffer.from(`[${'['.repeat(depth)}${']'.repeat(depth)}, {}, {}]`);
  },
  (wire, random) => {
    wire.contentType = random.pick(['application/x-msgpack', 'application/x-yaml']);
    wire.body = random.pick([
      Buffer.alloc(20_000, 0x91),
      Buffer.from('&a [*a, *a]'),
      Buffer.from(`${'- '.repeat(5000)}x`),
      noise(random, 60),
    ]);
  },
  (wire) => {
    // Valid JSON but for its text.
    wire.contentType = 'application/json';
    wire.body = Buffer.concat([
      Buffer.from('[["'),
      Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80]),
      Buffer.from('"], {}, {}]'),
    ]);
  },
  (wire, random) => {
    // Protocol 1, or a hybrid where headers are left.
    const body: Record<string, unknown> = { task: 'mutant.echo', id: wire.headers.id, args: [1], kwargs: {} };
    if (random.next() < 0.7) body[random.pick([...FIELDS, 'kwargs', 'taskset', 'utc'])] = odd(random);
    if (random.next() < 0.8) wire.headers = {};
    wire.contentType = 'application/json';
    wire.body = json(body);
  },
  (wire, random) => {
    wire.headers.big = 'h'.repeat(random.pick([1000, 20_000]));
    for (let count = 0; count < 50; count++) wire.headers[`h${count}`] = odd(random);
  },
  (wire, random) => {
    Object.assign(
      wire.headers,
      random.pick([{ redelivered: true }, { 'x-lovage-attempts': random.pick([1, 5, 1e9, -4, 0.5, '3', null]) }]),
    );
  },
];

/** One of the messages, under an id of its own, broken in one to three ways. */
export function mutant(others: readonly Wire[], random: Random, id: string): Wire {
  const base = random.pick(others);
  const wire: Wire = { ...base, headers: { ...base.headers }, properties: { ...base.properties } };
  if ('id' in wire.headers) wire.headers.id = id;
  if (random.next() < 0.1) return wire;
  for (let count = random.int(1, 3); count > 0; count--) random.pick(MUTATIONS)(wire, random, others);
  return wire;
}

/** A text broken as a whole: what a list of Redis or a column of a file may hold. */
export function brokenText(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text);
  const at = random.int(0, bytes.length - 1);
  return random.pick<() => Buffer>([
    () => bytes.subarray(0, at),
    () => Buffer.concat([bytes.subarray(0, at), noise(random, 8), bytes.subarray(at)]),
    () => {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(0, 7));
      return bytes;
    },
    () => json(odd(random)),
    () => Buffer.from(random.pick(['', '{', '[]', '{}', 'null', '"text"', '[[[', '{"headers": {"id": "x"}', '\u0000'])),
    () => noise(random, 50),
    () => Buffer.from(text.replace(/"body": ?"[^"]*"/, `"body": "${random.pick(['***', '====', 'a', 'YQ=', '\\ud800', ''])}"`)),
    () => Buffer.from(text.replace('base64', random.pick(['base65', 'utf-8', '']))),
  ])();
}
