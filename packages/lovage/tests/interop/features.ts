// What is promised between Lovage and Celery: one row a feature, each with both directions. interop.test.ts runs every row on every
// broker and writes the table of docs/interop.md; a row without a run fails.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { openSchedule, startBeat } from '../../src/beat/index.ts';
import type { Interop } from './environment.ts';

export interface Feature {
  readonly name: string;
  /** Shown in the table: what Celery 5.2 cannot do, or how the row is to be read. */
  readonly note?: string;
  /** Python calls, Lovage works. */
  readonly toLovage: (interop: Interop) => Promise<void>;
  /** Lovage calls, Python works. */
  readonly toPython: (interop: Interop) => Promise<void>;
}

/** Waits for an event that only a file or another process can tell of. */
async function until<T>(check: () => T | Promise<T>, seconds = 20): Promise<NonNullable<T>> {
  const limit = Date.now() + seconds * 1000;
  while (Date.now() < limit) {
    const value = await check();
    if (value) return value as NonNullable<T>;
    await delay(20);
  }
  throw new Error('Nothing came of it.');
}

const read = (path: string): Promise<string> => until(() => (existsSync(path) ? readFileSync(path, 'utf8') : ''));
const text = JSON.stringify;

/** The same call both ways: arguments as JSON, options in each language's spelling. */
function same(
  name: string,
  task: string,
  args: readonly unknown[],
  expected: unknown,
  more: {
    readonly kwargs?: Record<string, unknown>;
    readonly py?: string;
    readonly js?: Record<string, unknown>;
    readonly note?: string;
  } = {},
): Feature {
  const kwargs = more.kwargs ?? {};
  return {
    name,
    ...(more.note === undefined ? {} : { note: more.note }),
    toLovage: async ({ py, jsQueue }) => {
      const code = `import json\ncall('js.${task}', *json.loads(${text(text(args))}), kwargs=json.loads(${text(text(kwargs))}), queue='${jsQueue}'${more.py ? `, ${more.py}` : ''})`;
      expect(await py.run(code)).toEqual(expected);
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask(`py.${task}`, { args, kwargs, queue: pyQueue, ...more.js });
      expect(await result.get({ timeout: 30 })).toEqual(expected);
    },
  };
}

/** A value and what the other side makes of it. */
function seen(
  name: string,
  python: string,
  byLovage: string,
  typescript: unknown,
  byPython: string,
  options: { readonly py?: string; readonly js?: Record<string, unknown>; readonly note?: string } = {},
): Feature {
  return {
    name,
    ...(options.note === undefined ? {} : { note: options.note }),
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`call('js.describe', ${python}, queue='${jsQueue}'${options.py ? `, ${options.py}` : ''})`)).toBe(
        byLovage,
      );
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.describe', { args: [typescript], queue: pyQueue, ...options.js });
      expect(await result.get({ timeout: 30 })).toBe(byPython);
    },
  };
}

/** An option whose effect the receiver reads in its request. */
function requested(name: string, py: string, js: Record<string, unknown>, expected: Record<string, unknown>): Feature {
  return {
    name,
    toLovage: async (interop) => {
      expect(await interop.py.run(`call('js.request', queue='${interop.jsQueue}', ${py})`)).toMatchObject(expected);
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.request', { queue: pyQueue, ...js });
      expect(await result.get({ timeout: 30 })).toMatchObject(expected);
    },
  };
}

const unicode = 'žluťoučký 🐎 ‮ \u0000 "quoted" \\ 漢字';
const serializers = ['json', 'msgpack', 'yaml'] as const;
const compressions = ['zlib', 'gzip', 'brotli', 'zstd'] as const;
const nested = { list: [1, 2.5, null, true, 'x', { deep: [[]] }], empty: {}, negative: -7 };
const OLD = "Celery 5.2 writes and reads it as text (`jsonTypes: 'plain'`)";

const calls: readonly Feature[] = [
  same('positional arguments', 'join', ['a', 'b', 'c'], 'a|b|c'),
  same('keyword arguments', 'join', [], 'a|b|c', { kwargs: { third: 'c', first: 'a', second: 'b' } }),
  same('mixed arguments, a default left out', 'join', ['a'], 'a|b|-', { kwargs: { second: 'b' } }),
  same('unicode', 'echo', [unicode], unicode),
  same('nested values', 'echo', [nested], nested),
  seen(
    'dates',
    'datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone.utc)',
    'string "2024-02-29T01:02:03Z"',
    new Date(Date.UTC(2024, 1, 29, 1, 2, 3)),
    "str '2024-02-29T01:02:03Z'",
    { note: OLD },
  ),
  seen('decimals', "decimal.Decimal('1.50')", 'string "1.50"', '1.50', "str '1.50'", { note: OLD }),
  seen(
    'UUIDs',
    "uuid.UUID('12345678-1234-5678-1234-567812345678')",
    'string "12345678-1234-5678-1234-567812345678"',
    '12345678-1234-5678-1234-567812345678',
    "str '12345678-1234-5678-1234-567812345678'",
    { note: OLD },
  ),
  seen('bytes', "b'\\xff\\x00a'", 'bytes ff0061', Buffer.from([255, 0, 97]), "bytes b'\\xff\\x00a'", {
    py: "serializer='msgpack'",
    js: { serializer: 'msgpack' },
    note: 'with msgpack; Celery 5.2 has no bytes in JSON',
  }),
  seen('big integers', '2 ** 70', 'bigint 1180591620717411303424', 2n ** 70n, 'int 1180591620717411303424'),
  ...serializers.map((serializer) =>
    same(`serializer ${serializer}`, 'echo', [nested], nested, { py: `serializer='${serializer}'`, js: { serializer } }),
  ),
  ...compressions.map((compression) =>
    same(`compression ${compression}`, 'echo', ['x'.repeat(5000)], 'x'.repeat(5000), {
      py: `compression='${compression}'`,
      js: { compression },
    }),
  ),
];

const options: readonly Feature[] = [
  requested('option task_id', "task_id='my-own-id-py'", { taskId: 'my-own-id-js' }, {}),
  requested('option shadow', "shadow='other'", { shadow: 'other' }, { shadow: 'other' }),
  requested('option headers', "headers={'mine': 'h'}", { headers: { mine: 'h' } }, { mine: 'h' }),
  requested(
    'options time_limit and soft_time_limit in the request',
    'time_limit=300, soft_time_limit=200',
    { timeLimit: 300, softTimeLimit: 200 },
    { limits: [300, 200] },
  ),
  requested(
    'options root_id and parent_id',
    "root_id='root', parent_id='parent'",
    { rootId: 'root', parentId: 'parent' },
    { root: 'root', parent: 'parent' },
  ),
  requested(
    'options argsrepr and kwargsrepr',
    "argsrepr='***', kwargsrepr='+++'",
    { argsRepr: '***', kwargsRepr: '+++' },
    { argsrepr: '***', kwargsrepr: '+++' },
  ),
  requested('option priority', 'priority=6', { priority: 6 }, { priority: 6 }),
  requested('option retries', 'retries=2', { retries: 2 }, { retries: 2 }),
  {
    name: 'option countdown',
    toLovage: async ({ py, jsQueue }) => {
      const waited = await py.run(
        `begun = time.time()\nvalue = call('js.echo', 1, queue='${jsQueue}', countdown=1.2)\ntime.time() - begun`,
      );
      expect(waited).toBeGreaterThan(1.1);
    },
    toPython: async ({ app, pyQueue }) => {
      const begun = performance.now();
      await (await app.sendTask('py.echo', { args: [1], queue: pyQueue, countdown: 1.2 })).get({ timeout: 30 });
      expect(performance.now() - begun).toBeGreaterThan(1100);
    },
  },
  {
    name: 'option eta',
    toLovage: async ({ py, jsQueue }) => {
      const waited = await py.run(
        `begun = time.time()\neta = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5))) + datetime.timedelta(seconds=1.2)\nvalue = call('js.echo', 1, queue='${jsQueue}', eta=eta)\ntime.time() - begun`,
      );
      expect(waited).toBeGreaterThan(1.1);
    },
    toPython: async ({ app, pyQueue }) => {
      const begun = performance.now();
      await (await app.sendTask('py.echo', { args: [1], queue: pyQueue, eta: new Date(Date.now() + 1200) })).get({ timeout: 30 });
      expect(performance.now() - begun).toBeGreaterThan(1100);
    },
  },
  {
    name: 'eta far ahead (6 s): parked, then run',
    toLovage: async ({ py, jsQueue }) => {
      expect(
        await py.run(
          `begun = time.time()\nvalue = call('js.echo', 1, queue='${jsQueue}', countdown=6)\n6 <= time.time() - begun + 0.05 < 12`,
        ),
      ).toBe(true);
    },
    toPython: async ({ app, pyQueue }) => {
      const begun = performance.now();
      await (await app.sendTask('py.echo', { args: [1], queue: pyQueue, countdown: 6 })).get({ timeout: 30 });
      expect(performance.now() - begun).toBeGreaterThan(5900);
    },
  },
  {
    name: 'option expires: an expired task does not run',
    toLovage: async ({ py, jsQueue, path }) => {
      const file = path('expired');
      const eta = `countdown=0.8, expires=0.3`;
      expect(await py.run(`failure('js.mark', 'ran', '${file}', queue='${jsQueue}', ${eta})`)).toEqual([
        'TaskRevokedError',
        'celery.exceptions',
        ['expired'],
      ]);
      expect(existsSync(file)).toBe(false);
    },
    toPython: async ({ app, pyQueue, path }) => {
      const file = path('expired');
      const result = await app.sendTask('py.mark', { args: ['ran', file], queue: pyQueue, countdown: 0.8, expires: 0.3 });
      await expect(result.get({ timeout: 30 })).rejects.toMatchObject({ message: expect.stringContaining('expired') });
      expect(existsSync(file)).toBe(false);
    },
  },
  {
    name: 'option link: the callback runs on the other side',
    toLovage: async ({ py, jsQueue, pyQueue, path }) => {
      const file = path('link');
      await py.run(
        `call('js.echo', 'linked', queue='${jsQueue}', link=app.signature('py.mark', args=('${file}',), queue='${pyQueue}'))`,
      );
      expect(await read(file)).toBe('py:linked\n');
    },
    toPython: async ({ app, jsQueue, pyQueue, path }) => {
      const file = path('link');
      const link = app.signature('js.mark', [file], { queue: jsQueue });
      await (await app.sendTask('py.echo', { args: ['linked'], queue: pyQueue, link })).get({ timeout: 30 });
      expect(await read(file)).toBe('js:linked\n');
    },
  },
  {
    name: 'option link_error: the errback runs on the other side',
    toLovage: async ({ py, jsQueue, pyQueue, path }) => {
      const file = path('errback');
      await py.run(
        `failure('js.fail', 'boom', queue='${jsQueue}', link_error=app.signature('py.mark', args=('${file}',), queue='${pyQueue}'))`,
      );
      expect(await read(file)).toMatch(/^py:/);
    },
    toPython: async ({ app, jsQueue, pyQueue, path }) => {
      const file = path('errback');
      const linkError = app.signature('js.mark', [file], { queue: jsQueue });
      const result = await app.sendTask('py.fail', { args: ['boom'], queue: pyQueue, linkError });
      await result.get({ timeout: 30, propagate: false });
      expect(await read(file)).toMatch(/^js:/);
    },
  },
  {
    name: 'option ignore_result',
    toLovage: async ({ py, jsQueue, path }) => {
      const file = path('ignored');
      const state = await py.run(
        `r = send('js.mark', 'x', '${file}', queue='${jsQueue}', ignore_result=True)\nx = read('${file}')\ntime.sleep(0.2)\nr.state`,
      );
      expect(state).toBe('PENDING');
    },
    toPython: async ({ app, pyQueue, path }) => {
      const file = path('ignored');
      const result = await app.sendTask('py.mark', { args: ['x', file], queue: pyQueue, ignoreResult: true });
      expect(await read(file)).toBe('py:x\n');
      expect(await result.get({ timeout: 5 })).toBeUndefined();
    },
  },
  {
    name: 'option soft_time_limit ends the task',
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`failure('js.slow', 20, queue='${jsQueue}', soft_time_limit=0.5)`)).toMatchObject({
        0: 'SoftTimeLimitExceeded',
      });
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.slow', { args: [20], queue: pyQueue, softTimeLimit: 1 });
      const error = await result.get({ timeout: 30, propagate: false });
      expect((error as Error).name).toMatch(/SoftTimeLimitExceeded/);
    },
  },
  {
    name: 'option time_limit ends the task',
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`failure('js.slow', 20, queue='${jsQueue}', time_limit=0.5)`)).toMatchObject({
        0: 'TimeLimitExceeded',
      });
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.slow', { args: [20], queue: pyQueue, timeLimit: 1 });
      const error = await result.get({ timeout: 30, propagate: false });
      expect((error as Error).name).toMatch(/TimeLimitExceeded/);
    },
  },
];

const outcomes: readonly Feature[] = [
  same('retries', 'flaky', [2], 'after 2'),
  {
    name: 'retries exhausted: the last error is the result',
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`failure('js.exhausted', queue='${jsQueue}')`)).toEqual(['TypeError', 'builtins', ['never']]);
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.exhausted', { queue: pyQueue });
      await expect(result.get({ timeout: 30 })).rejects.toMatchObject({ message: expect.stringContaining('never') });
    },
  },
  {
    name: 'a failure keeps exception type and message',
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`failure('js.fail', 'boom ${'é'}', queue='${jsQueue}')`)).toEqual([
        'ValueError',
        'builtins',
        ['boom é'],
      ]);
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.fail', { args: ['boom é'], queue: pyQueue });
      const error = (await result.get({ timeout: 30, propagate: false })) as Error;
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({ excType: 'ValueError', excModule: 'builtins' });
      expect(error.message).toBe('boom é');
    },
  },
  {
    name: 'an unknown task is a failure, not a silence',
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`failure('js.nosuch', queue='${jsQueue}')`)).toMatchObject({ 0: 'NotRegistered' });
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.nosuch', { queue: pyQueue });
      const error = (await result.get({ timeout: 30, propagate: false })) as Error;
      expect(error.name).toMatch(/NotRegistered/);
    },
  },
  {
    name: 'a task that ignores its result',
    toLovage: async ({ py, jsQueue, path }) => {
      const file = path('task-ignored');
      expect(await py.run(`r = send('js.ignored', '${file}', queue='${jsQueue}')\nread('${file}')`)).toBe('js:ignored\n');
    },
    toPython: async ({ app, pyQueue, path }) => {
      const file = path('task-ignored');
      await app.sendTask('py.ignored', { args: [file], queue: pyQueue });
      expect(await read(file)).toBe('py:ignored\n');
    },
  },
  {
    name: 'custom states',
    toLovage: async ({ py, jsQueue, path }) => {
      const gate = path('gate');
      const code = [
        'seen = []',
        'def note(meta):',
        "    if meta['task_id'] == r.id: seen.append([meta['status'], meta['result']])",
        `    if meta['status'] == 'PROGRESS': open('${gate}', 'w').close()`,
        `r = send('js.progress', '${gate}', queue='${jsQueue}')`,
        'value = r.get(timeout=30, on_message=note)',
        '[seen[0], value]',
      ].join('\n');
      expect(await py.run(code)).toEqual([['PROGRESS', { done: 1 }], 'through']);
    },
    toPython: async ({ app, pyQueue, path }) => {
      const gate = path('gate');
      const result = await app.sendTask('py.progress', { args: [gate], queue: pyQueue });
      await until(async () => (await result.state()) === 'PROGRESS');
      expect(await result.info()).toEqual({ done: 1 });
      writeFileSync(gate, '');
      expect(await result.get({ timeout: 30 })).toBe('through');
    },
  },
];

const routes: readonly Feature[] = [
  {
    name: 'topic routing',
    toLovage: async ({ py, prefix }) => {
      expect(
        await py.run(
          `from kombu import Exchange\ncall('js.echo', 'by topic', exchange=(topic := Exchange('${prefix}.topic', type='topic')), declare=[topic], routing_key='to.js.anything')`,
        ),
      ).toBe('by topic');
    },
    toPython: async ({ app, prefix }) => {
      const result = await app.sendTask('py.echo', {
        args: ['by topic'],
        exchange: `${prefix}.topic`,
        routingKey: 'to.py.anything',
      });
      expect(await result.get({ timeout: 30 })).toBe('by topic');
    },
  },
  {
    name: 'both kinds of worker share one queue',
    toLovage: async ({ py, sharedQueue }) => {
      const code = `rs = [send('both.where', queue='${sharedQueue}') for _ in range(60)]\nsorted(set(r.get(timeout=30) for r in rs))`;
      expect(await py.run(code)).toEqual(['python', 'typescript']);
    },
    toPython: async ({ app, sharedQueue }) => {
      const results = await Promise.all(Array.from({ length: 60 }, () => app.sendTask('both.where', { queue: sharedQueue })));
      const places = await Promise.all(results.map((result) => result.get({ timeout: 30 })));
      expect([...new Set(places)].sort()).toEqual(['python', 'typescript']);
    },
  },
  {
    name: 'the result is read by the other side',
    note: 'on RabbitMQ results go to the sender (rpc), which is the other side of the worker',
    toLovage: async ({ py, jsQueue }) => {
      expect(
        await py.run(`r = send('js.echo', [1, {'a': None}], queue='${jsQueue}')\n[r.get(timeout=30), r.state, r.successful()]`),
      ).toEqual([[1, { a: null }], 'SUCCESS', true]);
    },
    toPython: async ({ app, pyQueue }) => {
      const result = await app.sendTask('py.echo', { args: [[1, { a: null }]], queue: pyQueue });
      expect(await result.get({ timeout: 30 })).toEqual([1, { a: null }]);
      expect(await result.state()).toBe('SUCCESS');
    },
  },
];

const lines = (path: string): readonly string[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];

const periodic: readonly Feature[] = [
  {
    name: 'periodic tasks: beat sends, the other side works',
    toLovage: async ({ celeryBeat, jsQueue, path }) => {
      const file = path('beat');
      const options = { queue: jsQueue, expires: 60, headers: { periodic_task_name: 'often' } };
      await using _beat = celeryBeat({ often: { task: 'js.mark', schedule: 0.3, args: ['tick', file], options } });
      await until(() => lines(file).length >= 3);
      expect(new Set(lines(file))).toEqual(new Set(['js:tick']));
    },
    toPython: async ({ app, pyQueue, path, prefix }) => {
      const file = path('beat');
      const name = `${prefix}.often`;
      const options = { queue: pyQueue, expires: 60, headers: { periodic_task_name: name } };
      app.addPeriodicTask(0.2, 'py.mark', { name, args: ['tick', file], options, maxRuns: 3 });
      const filename = path('schedule');
      await using schedule = await openSchedule(app, { filename });
      await using _beat = await startBeat(app, { filename });
      await until(() => lines(file).length >= 3);
      expect(lines(file)).toEqual(Array(3).fill('py:tick'));
      // Noted once the broker has confirmed, which may be after the task ran.
      const mine = async () => (await schedule.list()).find((each) => each.name === name);
      await until(async () => (await mine())?.totalRuns === 3);
      expect((await mine())?.nextRunAt).toBeUndefined();
    },
  },
];

const refusals: readonly Feature[] = [
  {
    name: 'pickle is refused, and the caller is told',
    note: 'to Python: Lovage refuses to write it',
    toLovage: async ({ py, jsQueue }) => {
      expect(await py.run(`failure('js.echo', 1, queue='${jsQueue}', serializer='pickle')`)).toMatchObject({
        0: expect.stringMatching(/Content|Decode/),
      });
    },
    toPython: async ({ app, pyQueue }) => {
      await expect(app.sendTask('py.echo', { args: [1], queue: pyQueue, serializer: 'pickle' })).rejects.toThrow(/pickle/);
    },
  },
];

export const FEATURES: readonly Feature[] = [...calls, ...options, ...outcomes, ...routes, ...periodic, ...refusals];
