// Every parser of what comes from outside, with real input to break: captures of Celery, and what users write. A parser may answer, or
// throw one of its own errors; anything else is a defect.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config, crontab, sealsOf, settingsTable } from '../../src/app/index.ts';
import { commandLineLayer } from '../../src/app/sources.ts';
import { readEdit, readSealed, readState } from '../../src/beat/state.ts';
import { readDeath } from '../../src/broker/index.ts';
import { readEnvelope, returnedEnvelope, unackedEnvelope } from '../../src/broker/redis/envelope.ts';
import { expanded, explain, signatureOf } from '../../src/canvas/index.ts';
import { readCall, splitWords } from '../../src/cli/broker-shell/grammar.ts';
import { allCommands } from '../../src/cli/commands/index.ts';
import { recordOf, taskLineOf } from '../../src/cli/log/records.ts';
import { expandFor, nodesOf } from '../../src/cli/multi/nodes.ts';
import { parse } from '../../src/cli/parse.ts';
import { quickly } from '../../src/cli/quick.ts';
import { upgradeSettings } from '../../src/cli/upgrade/settings.ts';
import { PythonSyntaxError } from '../../src/cli/upgrade/tokens.ts';
import { configFile } from '../../src/cli/upgrade/write.ts';
import {
  createErrorRegistry,
  parseBody,
  parseControlReply,
  parseControlRequest,
  parseEvents,
  parseResultTuple,
  parseTask,
  parseTime,
} from '../../src/protocol/index.ts';
import { unpickle } from '../../src/result/database/pickle-read.ts';
import { pickle } from '../../src/result/database/pickle-write.ts';
import { createResultCodec } from '../../src/result/index.ts';
import {
  createAuthSerializer,
  createHeaderSigner,
  createMessageGuard,
  createSeals,
  openCertificateStore,
  readKey,
  readSigner,
} from '../../src/security/index.ts';
import { createSerialization, readHeaderJson } from '../../src/serialization/index.ts';
import { parseRate } from '../../src/task/index.ts';
import { parseAmqpUrl } from '../../src/util/amqp-url.ts';
import { globMatch, LovageError, parseRedisUrl, redact, redactText, redactUrl, systemClock } from '../../src/util/index.ts';
import { sqlPlace } from '../../src/util/sql-connect.ts';
import { lineFormat } from '../../src/worker/log-format.ts';
import type { Random } from '../faults/harness/random.ts';
import { realMessages, type Wire } from '../faults/mutations/messages.ts';
import { mutant } from '../faults/mutations/mutate.ts';
import { brokenBytes, brokenValue } from './mutate.ts';

/** One parser. */
export interface Target {
  readonly name: string;
  /** Breaks a seed and hands it over; answers what was handed over, for the report. */
  run(random: Random): void;
  /** Is this one of its own errors? @default a LovageError */
  readonly expects?: (error: unknown) => boolean;
}

const TESTS = join(import.meta.dirname, '..');
const serialization = createSerialization({ maxBytes: 1_000_000 });
const ACCEPT = ['json', 'msgpack', 'yaml'];
const accept = serialization.accept(ACCEPT);
const codecOptions = { serialization, serializer: 'json', accept, expires: undefined, errors: createErrorRegistry() };
const codec = createResultCodec(codecOptions);
const SECRET = 'a secret that is as long as it has to be';

interface Capture {
  readonly results?: readonly { readonly value?: string }[];
  readonly published?: readonly { readonly data?: unknown }[];
  readonly messages?: readonly { readonly raw?: string; readonly body?: { readonly json?: unknown; readonly utf8?: string } }[];
}

const captures: readonly Capture[] = readdirSync(join(TESTS, 'vectors')).map(
  (file) => JSON.parse(readFileSync(join(TESTS, 'vectors', file), 'utf8')) as Capture,
);
const messages = realMessages();
const raws = captures.flatMap(({ messages: all = [] }) => all.flatMap(({ raw }) => raw ?? []));
const results = captures.flatMap(({ results: all = [] }) =>
  all.flatMap(({ value }) => (typeof value === 'string' ? [value] : [])),
);
const bodies = captures.flatMap(({ messages: all = [] }) => all.flatMap(({ body }) => body?.utf8 ?? []));
const values: readonly unknown[] = [...raws, ...bodies, ...results].flatMap((text) => {
  try {
    return [JSON.parse(text) as unknown];
  } catch {
    return [];
  }
});

/** Signs, as Celery does. */
function signing(): ReturnType<typeof createSerialization> {
  const own = createSerialization({ maxBytes: 1_000_000 });
  const files = { key: join(TESTS, 'support/keys/test-key.pem'), certificate: join(TESTS, 'support/keys/test-cert.pem') };
  const store = openCertificateStore({ path: join(TESTS, 'support/keys/*-cert.pem'), clock: systemClock });
  const signer = readSigner({ ...files, clock: systemClock });
  const rest = { digest: 'sha256', serializer: 'json', allowed: ['json'] };
  own.registerSerializer(createAuthSerializer({ serialization: own, signer, store, oldLayout: false, ...rest }));
  return own;
}
const signed = signing();
const signedBodies = [signed.encode([[1, 'a'], {}, null], 'auth').body];

const key = readKey('k1', SECRET);
const sign = createHeaderSigner({ id: 'k1', key, clock: systemClock });
const guard = createMessageGuard({
  keys: new Map([['k1', key]]),
  covers: () => true,
  window: 60,
  clock: systemClock,
  leads: () => true,
});

/** What signs texts that are kept: by the key of headers, and by a certificate. */
const byCertificate = { taskSerializer: 'auth', securityKey: join(TESTS, 'support/keys/test-key.pem') };
const seals = [
  createSeals({ id: 'k1', key, keys: new Map([['k1', key]]), clock: systemClock }),
  sealsOf({ ...new Config().values, ...byCertificate }, signed, systemClock),
].filter((each) => each !== undefined);
const chordCodecs = [undefined, ...seals].map((each) => createResultCodec({ ...codecOptions, seals: each }).chords);

/** Breaks one of them; whoever takes it all the same says what was never said. */
function brokenSeal(random: Random): void {
  const { seal, check } = random.pick(seals);
  const given = { purpose: 'chord', text: random.pick(bodies) };
  const sealed = { ...given, seal: seal([given.purpose], given.text) };
  const field = random.pick(['purpose', 'text', 'seal', 'seal'] as const);
  const broken = { ...sealed, [field]: brokenBytes(Buffer.from(sealed[field]), random).toString() };
  check([broken.purpose], broken.text, broken.seal);
  if (broken.text !== sealed.text || broken.purpose !== sealed.purpose)
    throw new Error(`It was taken: ${JSON.stringify(broken)}`);
}

const EVENTS: readonly unknown[] = [
  {
    type: 'task-sent',
    uuid: 'a',
    name: 'x',
    args: '()',
    kwargs: '{}',
    timestamp: 1,
    clock: 2,
    hostname: 'h',
    pid: 1,
    utcoffset: -1,
  },
  [{ type: 'task-succeeded', uuid: 'a', result: '3', runtime: 0.1, timestamp: 1, clock: 2, hostname: 'h', pid: 1, utcoffset: 0 }],
  {
    type: 'worker-heartbeat',
    freq: 2,
    sw_ident: 'x',
    active: 0,
    processed: 1,
    loadavg: [1, 2, 3],
    timestamp: 1,
    clock: 2,
    hostname: 'h',
  },
];
const CONTROL: readonly unknown[] = [
  {
    method: 'ping',
    arguments: {},
    destination: ['w@h'],
    pattern: null,
    matcher: null,
    reply_to: { exchange: 'reply', routing_key: 'x' },
    ticket: 't',
  },
  {
    method: 'revoke',
    arguments: { task_id: ['a'], terminate: true, signal: 'SIGTERM' },
    destination: null,
    pattern: 'w*',
    matcher: 'glob',
  },
];
const URLS = [
  ...['redis://:pass@localhost:6379/0?ssl_cert_reqs=required', 'rediss://me:p%40ss@[::1]:1/2', 'sentinel://a:1;sentinel://b:2'],
  ...[
    'redis+socket:///run/redis.sock?virtual_host=1',
    'amqp://guest:guest@localhost:5672//',
    'amqps://a:b@h/v%2fhost?heartbeat=10',
  ],
  'amqp://a;amqp://b',
];
const SQL_URLS = [
  ...['db+postgresql://me:p%40ss@localhost:5432/results?sslmode=require', 'db+mysql+pymysql://a:b@h/d', 'db+sqlite:///a%20b.db'],
  'db+postgresql://a:b@/d?host=/run/postgresql',
];
const CRONTABS = ['*/5 0-4,23 1-31/2 jan-mar mon,wed', '0 4 * * *', '59 23 31 12 6'];
const TIMES = ['2026-01-02T03:04:05.678901+00:00', '2026-01-02', '2026-01-02T03:04:05Z', '20260102T030405'];
const RATES = ['10/s', '100/m', '1.5/h', '7'];
const FORMATS = ['[%(asctime)s: %(levelname)-8s] %(message).10s %%', '%(created)f %(process)05d'];
const LINES: readonly (readonly string[])[] = [
  ['-A', 'tasks.ts', 'worker', '-c', '10', '-n', 'w@%h', '-Q', 'a,b', '--prefetch-multiplier', '2', '-l', 'INFO'],
  ['call', 'x', '[1, 2]', '--kwargs', '{"a": 1}', '--countdown', '3', '--queue', 'q', '--wait', '--timeout', '5'],
  ['inspect', 'query_task', 'a', '--json', '--timeout', '1', '-d', 'w@h'],
  ['worker', 'task_acks_late=true', '--autoscale', '10,3', '--max-memory-per-child', '100000'],
];
/** Settings of a Python program, with what `upgrade settings` reads of the language. */
const PYTHON = [
  `from kombu import Queue
broker_url = "amqp://a:b@" + 'host' + r"//"  # a comment
task_queues = (Queue("a", routing_key="a.#"), Queue('b'),)
task_routes = {'a.*': {"queue": 'x', 'priority': -3},  "b": 'y'}
CELERY_TASK_SERIALIZER = u'json'
`,
  `import os
from datetime import timedelta
from celery.schedules import crontab
app.conf.update(
    result_expires=timedelta(days=1, hours=2),
    beat_schedule={"n": {"task": "t", "schedule": crontab(minute="*/5", hour=[1, 2]), "args": (1, None, True)}},
)
worker_concurrency = int(os.environ.get("N", 4)) * 2
TEXT = """three
lines \\x41""" 'more'
if True:
    timezone = f"Europe/{1}"
`,
];
const SHELL_LINES = [
  'queue.declare q no yes no x-max-length=10',
  `basic.publish "a \\"text\\"" '' 'a key' yes`,
  'basic.ack 1',
  'exchange.delete e true',
];
const LOG_LINES = [
  '[2026-11-29 20:58:40,123: INFO/MainProcess] Task shop.add[0f-1] succeeded in 0.0012s: 3',
  '{"time":"2026-11-29T20:58:40.123Z","level":"INFO","process":"MainProcess","message":"Task a[b] received\\nmore"}',
  '[2020-01-01 00:00:00,1: WARNING/Fork-1] Discarding revoked task: a[b]',
];
const NODES: readonly (readonly string[])[] = [
  ['start', '3', '-c', '2', '-c:1-2', '10', '-Q:2,3', 'a,b', '-l', 'INFO'],
  ['a', 'b@host', '--pidfile=/run/%n.pid', '--logfile:a=/log/%n%I.log', '-n', '%h', '--', 'worker.x=1'],
];
const commands = await allCommands();
const CALLBACKS: readonly unknown[] = [
  { task: 'shop.sum', args: [], kwargs: {}, options: { task_id: 'b', queue: 'q' }, subtask_type: null, immutable: false },
  { task: 'shop.all', args: [1], kwargs: { a: 'é' }, options: { link: [{ task: 'c', args: [], kwargs: {}, options: {} }] } },
];
const EDITS = [
  '{"entry": {"task": "a", "schedule": {"every": 3}}, "enabled": false, "since": 12.5}',
  '{"sealed": "{\\"enabled\\": true}", "seal": "1.k1.1700000000.c2VhbA"}',
  '{"lastDue": 1700000000, "lastRunAt": 1, "totalRuns": 3, "timezone": "UTC", "pending": [{"id": "a", "due": 1}]}',
];
/** As ours, and as Python writes one: with a frame, a memo and an old protocol. */
const PICKLES = [
  ...values
    .filter((value) => value !== undefined)
    .slice(0, 50)
    .map((value) => pickle(value)),
  Buffer.from('80049520000000000000007d94288c0161944b018c016294475ff8000000000000008c01639489752e', 'hex'),
  Buffer.from('(dp0\nVa\np1\nI1\nsVb\np2\n(lp3\nF1.5\naNas.', 'latin1'),
];

const ofText = (name: string, seeds: readonly string[], act: (text: string) => unknown, expects?: Target['expects']): Target => ({
  name,
  run: (random) => void act(brokenBytes(Buffer.from(random.pick(seeds)), random).toString()),
  ...(expects === undefined ? {} : { expects }),
});
const ofValue = (name: string, seeds: readonly unknown[], act: (value: unknown) => unknown): Target => ({
  name,
  run: (random) => void act(brokenValue(random.pick(seeds), random)),
});

/** One word is broken, or in between, or in the place of two. */
function brokenWords(words: readonly string[], random: Random): string[] {
  const broken = [...words];
  const at = random.int(0, broken.length - 1);
  broken.splice(at, random.int(0, 2), brokenBytes(Buffer.from(broken[at] ?? ''), random).toString());
  return broken;
}

function deliveryOf({ headers, properties, contentType, contentEncoding, body }: Wire): Parameters<typeof parseTask>[0] {
  const { correlation_id: correlationId, reply_to: replyTo, priority } = properties;
  // As a driver would hand it over, whatever the wire said.
  const given = { contentType, contentEncoding, correlationId, replyTo, priority } as unknown as Record<string, never>;
  return { exchange: '', routingKey: 'q', queue: 'q', headers, properties: given, body, redelivered: false, attempts: 1 };
}

const decodeBody = ({ body, properties, headers }: Parameters<typeof parseTask>[0]): unknown => {
  const { contentType, contentEncoding } = properties;
  const compression = typeof headers?.compression === 'string' ? headers.compression : undefined;
  return serialization.decode(
    { body, contentType: text(contentType), contentEncoding: text(contentEncoding), compression },
    accept,
  );
};
/** Planned as a worker plans it, and drawn. */
function drawn(value: unknown): void {
  const wire = signatureOf(value);
  expanded(wire, { args: [1], chain: [], rootId: 'r', parentId: 'p', seed: 's' }, { rules: { errorsOnHeader: true } });
  const drawing = explain({ toWire: () => wire });
  for (const picture of [drawing.toText, drawing.toMermaid, drawing.toDot]) picture();
}
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const stored = (body: Uint8Array): Parameters<typeof codec.decode>[0] => ({
  id: 'a',
  state: 'SUCCESS',
  body,
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  attempt: 1,
});

export const targets: readonly Target[] = [
  {
    name: 'task messages',
    run: (random) => {
      const delivery = deliveryOf(mutant(messages, random, 'an-id'));
      readDeath({ ...delivery, properties: { contentType: '', contentEncoding: '' } });
      parseTask(delivery, { hostname: 'w@h', decodeBody });
      parseBody(decodeBody(delivery));
    },
  },
  {
    name: 'signed headers',
    run: (random) => {
      const wire = { ...deliveryOf(random.pick(messages)), queue: 'q' };
      const header = sign(wire);
      const broken = random.next() < 0.5 ? brokenBytes(Buffer.from(header), random).toString() : brokenValue(header, random);
      guard.check({ ...wire, headers: { ...wire.headers, 'x-lovage-signature': broken } });
    },
  },
  ...ACCEPT.map(
    (name): Target => ({
      name: `bodies in ${name}`,
      run: (random) => {
        const { body, ...rest } = serialization.encode(
          random.pick(values),
          name,
          random.pick([undefined, 'zlib', 'zstd', 'brotli']),
        );
        serialization.decode({ ...rest, body: brokenBytes(Buffer.from(body), random) }, accept);
      },
    }),
  ),
  {
    name: 'signed bodies',
    run: (random) => {
      const outer = Buffer.from(random.pick(signedBodies));
      const inner = brokenBytes(Buffer.from(outer.toString('latin1'), 'base64'), random);
      const body = random.next() < 0.5 ? brokenBytes(outer, random) : Buffer.from(inner.toString('base64'));
      signed.decode({ body, contentType: 'application/data' }, accept);
    },
  },
  { name: 'seals', run: brokenSeal },
  {
    name: 'callbacks that a store keeps',
    run: (random) => {
      const body = signatureOf(random.pick(CALLBACKS));
      const text = random.pick(chordCodecs).callback({ body });
      random.pick(chordCodecs).readCallback(brokenBytes(Buffer.from(text), random).toString());
    },
  },
  {
    name: 'parts and structures of chords',
    run: (random) => {
      const broken = brokenBytes(Buffer.from(random.pick(results)), random);
      const { readPart, readStructure } = random.pick(chordCodecs);
      if (random.next() < 0.5) readPart(broken);
      else readStructure(broken);
    },
  },
  ofText('edits and states of a schedule', EDITS, (text) => [readSealed(text), readEdit(text), readState(text)]),
  {
    name: 'pickles',
    run: (random) => void unpickle(brokenBytes(random.pick(PICKLES), random)),
  },
  ofText('envelopes', raws, (raw) => [readEnvelope(raw, 'q'), unackedEnvelope(`[${raw}, "", "q"]`)]),
  ofText('envelopes that go back', raws, (raw) => returnedEnvelope(raw, { started: 1 })),
  ofText('headers', raws, readHeaderJson, (error) => error instanceof SyntaxError),
  ofText('results', results, (value) => codec.record(stored(Buffer.from(value)))),
  ofValue('results of other shapes', values, (value) => codec.record(stored(Buffer.from(JSON.stringify(value) ?? '')))),
  ofValue('result tuples', values, parseResultTuple),
  ofValue('events', EVENTS, parseEvents),
  ofValue('control requests', CONTROL, parseControlRequest),
  ofValue('control replies', [{ 'w@h': { ok: 'pong' } }, { 'w@h': [1, { a: 2 }] }], parseControlReply),
  ofValue('signatures', values, drawn),
  ofText('times', TIMES, (value) => parseTime(value)),
  ofText(
    'rates',
    RATES,
    (value) => parseRate(value),
    (error) => error instanceof Error,
  ),
  ofText('Redis URLs', URLS, (url) => parseRedisUrl(url)),
  ofText('RabbitMQ URLs', URLS, parseAmqpUrl),
  ofText('SQL URLs', SQL_URLS, sqlPlace),
  ofText('crontabs', CRONTABS, (text) => crontab(text)),
  ofText('masked texts', [...URLS, ...raws], (value) => [redactUrl(value), redactText(value)]),
  ofValue('masked values', values, (value) => redact(value)),
  ofText(
    'settings in Python',
    PYTHON,
    (source) => configFile(upgradeSettings(source), 'celeryconfig.py'),
    (error) => error instanceof PythonSyntaxError,
  ),
  ofText('lines of the broker shell', SHELL_LINES, (line) => readCall(splitWords(line))),
  ofText('lines of logs', LOG_LINES, (line) => {
    const record = recordOf(line);
    return record === undefined ? undefined : taskLineOf(record);
  }),
  ofText('settings on a command line', ['task_acks_late=true', 'worker.prefetch_multiplier=4', '.concurrency=1'], (pair) =>
    commandLineLayer([pair]),
  ),
  ofText('log formats', FORMATS, (format) => lineFormat(format)),
  {
    name: 'globs',
    run: (random) => {
      const pattern = brokenBytes(Buffer.from('a*b*c*d*e*'), random).toString('latin1');
      globMatch(pattern, 'abcde'.repeat(2000));
    },
  },
  {
    name: 'settings',
    run: (random) => {
      const [name, row] = random.pick([...settingsTable]);
      const settings = { [name]: brokenValue(row.default, random) };
      void new Config({ settings }).table({ withDefaults: true });
    },
  },
  {
    name: 'the environment',
    run: (random) => {
      const [name, row] = random.pick([...settingsTable]);
      const variable = `LOVAGE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
      const value = brokenBytes(Buffer.from(JSON.stringify(row.default) ?? ''), random).toString();
      void new Config({ environment: { [variable]: value } }).values;
    },
  },
  {
    name: 'nodes of multi',
    run: (random) => {
      const words = brokenWords(random.pick(NODES), random);
      const context = { host: 'h', pidfile: '%n.pid', logfile: '%n%I.log', rangePrefix: 'celery' };
      const nodes = nodesOf(words, { ...context, takesValue: (name) => name !== '--verbose' });
      for (const { name, logfile } of nodes.slice(0, 3)) expandFor(name)(logfile);
    },
  },
  {
    name: 'command lines',
    run: (random) => {
      const argv = brokenWords(random.pick(LINES), random);
      quickly(argv, {});
      parse(argv, {}, { commands, colors: false, width: 80 });
    },
  },
];

export const isOwn = ({ expects }: Target, error: unknown): boolean => expects?.(error) === true || error instanceof LovageError;
