// Canvases that a Python client makes, on Lovage workers, and chords whose members alternate between workers of both languages. What a
// canvas gives is what Celery gives; where Celery leaves somebody waiting for ever, the claim says who is told instead.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Lovage } from '../../src/index.ts';
import type { WireSignature } from '../../src/protocol/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { amqpUrl, redisUrl } from '../support/servers.ts';
import { type PythonClient, startPythonClient, startPythonWorker } from './peer.ts';

interface Bench extends AsyncDisposable {
  readonly app: Lovage;
  readonly py: PythonClient;
  /** What errbacks wrote, once there are `count` lines of this mark. */
  errbacks(mark: string, count: number): Promise<readonly string[]>;
  /** How many lines of this mark there are now. */
  marks(mark: string): number;
}

async function start(broker: 'Redis' | 'RabbitMQ', { ordered = true } = {}): Promise<Bench> {
  const prefix = `joins-${process.pid}-${broker.toLowerCase()}${ordered ? '' : '-list'}`;
  const [jsQueue, pyQueue] = [`${prefix}.js`, `${prefix}.py`];
  const brokerUrl = broker === 'Redis' ? redisUrl() : amqpUrl();
  const folder = mkdtempSync(join(tmpdir(), 'lovage-joins-'));
  const path = join(folder, 'errbacks');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const app = new Lovage('joins', {
    brokerUrl,
    resultBackend: redisUrl(),
    jsonTypes: 'plain',
    taskDefaultQueue: jsQueue,
    resultExpires: 300,
    ...(ordered ? {} : { resultBackendTransportOptions: { resultChordOrdered: false } }),
  });
  stack.defer(() => app.close());
  define(app, path);
  stack.use(await startWorker(app, { concurrency: 10, hostname: `${prefix}@js` }));
  const peers = {
    broker: brokerUrl,
    backend: redisUrl(),
    prefix,
    module: 'canvas',
    variables: ordered ? {} : { INTEROP_UNORDERED: '1' },
  };
  stack.use(await startPythonWorker({ ...peers, queues: [pyQueue, pyQueue] }));
  const py = stack.use(startPythonClient({ ...peers, queues: [jsQueue, pyQueue] }));
  await py.run('from canvas import *\nNone');
  const lines = (mark: string): string[] =>
    (existsSync(path) ? readFileSync(path, 'utf8') : '').split('\n').filter((line) => line.startsWith(`${mark} `));
  const owned = stack.move();
  return {
    app,
    py,
    marks: (mark) => lines(mark).length,
    errbacks: (mark, count) =>
      vi.waitFor(
        () => {
          expect(lines(mark).length).toBeGreaterThanOrEqual(count);
          return lines(mark);
        },
        { timeout: 20_000, interval: 20 },
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function define(app: Lovage, path: string): void {
  app.task('js.add', (x: number, y: number) => x + y);
  app.task('js.add1', (x: number) => x + 1);
  app.task('js.xsum', (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0));
  app.task('js.listed', (values: unknown) => values);
  app.task('js.boom', () => {
    throw new RangeError('boom');
  });
  app.task('js.origin', { bind: true, params: ['results?'] }, ({ request }) => [
    request.rootId,
    request.parentId,
    request.group ?? null,
  ]);
  app.task('js.put_again', { bind: true, params: ['value', 'name'] }, (context, value: unknown, name: unknown) =>
    context.request.retries > 0 ? [name, value] : context.retry({ countdown: 0 }),
  );
  app.task('js.other', { bind: true, params: ['value', 'other'] }, (context, value: unknown, other: WireSignature) =>
    context.replace(app.signature(other).with(value)),
  );
  app.task('js.put', { params: ['value', 'name'] }, (value: unknown, name: unknown) => [name, value]);
  app.task('js.silent', { ignoreResult: true }, (x: number) => x);
  app.task('js.ignores', { bind: true }, (context) => context.ignore('not today'));
  app.task('js.rejects', { bind: true }, (context) => context.reject('no'));
  app.task('js.old', { params: ['id'] }, (id: string) => appendFileSync(path, `old ${id}\n`));
  app.task('js.tagged', { params: ['id', 'tag'], errback: 'task' }, (id: string, tag: string) =>
    appendFileSync(path, `${tag} ${id}\n`),
  );
  app.task('js.new', (request: { id: string }, error: Error, traceback: unknown, tag: string) =>
    appendFileSync(
      path,
      `${tag} ${request.id} ${error.name} ${error.message} ${traceback === undefined ? 'none' : 'traceback'}\n`,
    ),
  );
  app.task('js.replaced', { bind: true }, (context, x: number) => context.replace(app.signature('js.add', [x, 10])));
}

describe.each(['Redis', 'RabbitMQ'] as const)('a canvas made in Python, on %s', (broker) => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await start(broker);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());
  const run = (code: string): Promise<unknown> => bench.py.run(code);

  test.each([
    ['a chord', "told(chord([js('add', i, i) for i in range(10)])(js('xsum')))", 90],
    ['a chord gives results in order', "told(chord([js('add', i, 0) for i in range(30)])(js('listed')))", [...Array(30).keys()]],
    ['a chord of one', "told(chord([js('add', 1, 2)])(js('xsum')))", 3],
    ['a chord without members', "told(chord([])(js('xsum')))", 0],
    ['a chord whose members keep no result', "told(chord([js('silent', 1), js('silent', 2)])(js('xsum')))", 3],
    [
      'a chord with a member that is a chain',
      "told(chord([chain(js('add', 1, 1), js('add', 5)), js('add', 2, 2)])(js('xsum')))",
      11,
    ],
    ['an immutable body', "told(chord([js('add', 1, 1)])(js('add', 7, 1).set(immutable=True)))", 8],
    ['a map', "told(xmap(js('add1'), [1, 2, 3]).set(queue=JS).apply_async())", [2, 3, 4]],
    ['a starmap', "told(xstarmap(js('add'), [[1, 2], [3, 4]]).set(queue=JS).apply_async())", [3, 7]],
    [
      'a chord of a hundred from two languages',
      "told(chord([(js if i % 2 else py)('add', i, 0) for i in range(100)])(js('xsum')))",
      4950,
    ],
    [
      'members of two languages, a body in Python',
      "told(chord([(js if i % 2 else py)('add', i, 0) for i in range(10)])(py('listed')))",
      [...Array(10).keys()],
    ],
    ['a replaced task', "told(js('replaced', 5).apply_async())", 15],
    ['a replaced member', "told(chord([js('replaced', 5), js('add', 1, 1)])(js('listed')))", [15, 2]],
    ['a replaced step', "told((js('replaced', 5) | js('add', 1)).apply_async())", 16],
  ])('%s', async (_, code, expected) => {
    expect(await run(code)).toEqual(expected);
  });

  test.each([
    ['a failing member', "js('boom')", /^ChordError: Dependency \S+ raised ValueError\('boom'\)$/],
    ['a failing member in Python', "py('boom')", /^ChordError: Dependency \S+ raised ValueError\('boom', 3\)$/],
    ['a failing step of a member that is a chain', "chain(js('boom'), js('add', 1))", /ValueError\('boom'\)/],
    ['an unknown task', "js('nobody')", /NotRegistered\('js.nobody'\)/],
    ['a member that is too late', "js('add', 1, 1).set(expires=-5)", /TaskRevokedError\('expired'\)/],
    ['a step that is too late', "chain(js('add', 1, 1).set(expires=-5), js('add', 1))", /TaskRevokedError\('expired'\)/],
    ['a member that ignores itself', "js('ignores')", /Ignore\('not today'\)/],
    ['a rejected member', "js('rejects')", /Reject\('no'/],
    ['arguments that do not fit', "js('add1', 1, 2, 3, 4)", /TypeError/],
  ])('%s fails the body with its cause', async (_, member, cause) => {
    const [state, error] = (await run(`state(chord([js('add', 1, 1), ${member}])(js('xsum')))`)) as [string, string];
    expect(state).toBe('FAILURE');
    expect(error).toMatch(cause);
  });

  test('a failing member fails the steps behind the chord, too', async () => {
    const code = "state((chord([js('add', 1, 1), js('boom')], js('xsum')) | js('add', 1) | js('add', 2)).apply_async())";
    expect(await run(code)).toEqual(['FAILURE', expect.stringMatching(/^ChordError: Dependency/)]);
  });

  test.each([
    [
      'a nested chord',
      "told(chord([chord([js('add', 1, 1), js('add', 2, 2)], js('xsum')), js('add', 3, 3)])(js('listed')))",
      [6, 6],
    ],
    [
      'chains that end in groups',
      "told(chord([chain(js('add', 1, 1), group(js('add', 1), js('add', 2))), js('add', 5, 5)])(js('listed')))",
      [[3, 4], 10],
    ],
    [
      'a chord in a chain',
      "told(chain(js('add', 1, 1), group(js('add', 1), js('add', 2)), js('xsum'), js('add', 1)).apply_async())",
      8,
    ],
    ['a group at the end of a chain', "told(chain(js('add', 1, 1), group(js('add', 1), js('add', 2))).apply_async())", [3, 4]],
    ['a body that is a chain', "told(chord([js('add', 1, 1)])(chain(js('xsum'), js('add', 1))))", 3],
    ['a body that is a group', "told(chord([js('add', 1, 1), js('add', 2, 2)])(group(js('xsum'), js('listed'))))", [6, [2, 4]]],
    ['a body that is a chord', "told(chord([js('add', 1, 1)])(chord([js('xsum'), js('xsum')], js('listed'))))", [2, 2]],
    [
      'two groups in a row',
      "told(chain(group(js('add', 1, 1), js('add', 2, 2)), group(js('xsum'), js('listed'))).apply_async())",
      [6, [2, 4]],
    ],
    [
      'chords three deep, of both languages',
      "told(chord([chord([chord([js('add', 1, 1), py('add', 2, 2)], js('xsum')), py('add', 3, 3)], py('xsum')), js('add', 4, 4)])(js('listed')))",
      [12, 8],
    ],
    [
      'chunks',
      "[told(r) for r in chunks(js('add'), [(1, 1), (2, 2), (3, 3)], 2).group().set(queue=JS).apply_async().results]",
      [[2, 4], [6]],
    ],
    [
      'a callback that is a chain',
      "js('add', 1, 1).apply_async(link=chain(js('add', 1).set(task_id='cb-' + JS), js('add', 2).set(task_id='cb2-' + JS)))\ntold(app.AsyncResult('cb2-' + JS))",
      5,
    ],
  ])('%s', async (_, code, expected) => {
    expect(await run(code)).toEqual(expected);
  });

  test.each([
    ['in a nested chord', "chord([chord([js('boom'), js('add', 1, 1)], js('xsum')), js('add', 3, 3)])(js('listed'))"],
    ['three deep', "chord([chord([chord([js('boom')], js('xsum'))], js('xsum'))])(js('listed'))"],
    ['before a chord in a chain', "chain(js('boom'), group(js('add', 1), js('add', 2)), js('xsum')).apply_async()"],
    ['before a group that a chord waits for', "chord([chain(js('boom'), group(js('add', 1), js('add', 2)))])(js('listed'))"],
    ['before a chord that a chord waits for', "chord([chain(js('boom'), chord([js('add', 1)], js('xsum')))])(js('listed'))"],
    ['in a chord in a chain', "chain(js('add', 1, 1), group(js('add1'), js('boom')), js('xsum'), js('add', 1)).apply_async()"],
    ['before a body that is a chain', "chord([js('boom')])(chain(js('xsum'), js('add', 1)))"],
    ['before a body that is a chord', "chord([js('boom')])(chord([js('add1')], js('xsum')))"],
  ])('a failure %s reaches the end', async (_, code) => {
    const [state, error] = (await run(`state(${code})`)) as [string, string];
    expect([state, error]).toEqual(['FAILURE', expect.stringMatching(/boom/)]);
  });

  test('a failing header fails every member of a body that is a group with its cause, and tells their errbacks', async () => {
    const mark = `m${Math.random()}`;
    const member = `js('xsum').on_error(js('tagged', '${mark}'))`;
    const code = `[state(r) for r in chord([js('boom')])(group(${member}, ${member})).results]`;
    expect(await run(code)).toEqual(Array(2).fill(['FAILURE', 'ValueError: boom']));
    expect(await bench.errbacks(mark, 2)).toHaveLength(2);
  });

  test('every step of a body that is a chain fails', async () => {
    const ids = [1, 2, 3].map((step) => `step-${broker}-${step}-${process.pid}`);
    const steps = ids.map((id) => `js('xsum').set(task_id='${id}')`).join(', ');
    await run(`chord([js('boom')])(chain(${steps})).id`);
    for (const id of ids) expect(await run(`state(app.AsyncResult('${id}'))[0]`)).toBe('FAILURE');
  });

  test.each([
    ['a chain', "chain(js('add', 1, 1).set(task_id='{id}'), js('add', 1))"],
    ['a chord', "chain(js('add', 1, 1).set(task_id='{id}'), group(js('add', 1), js('add', 2)), js('xsum'))"],
    ['replaced', "chain(js('add', 1, 1).set(task_id='{id}'), js('replaced'))"],
  ])('a body has the root of the first member, which is %s', async (_, member) => {
    const id = `root-${Math.random()}`;
    const code = `r = chord([${member.replace('{id}', id)}, js('add', 1, 1)])(js('origin'))\n[r.get(timeout=30), r.parent.results[0].id]`;
    const [[root, parent], first] = (await run(code)) as [string[], string];
    expect([root, parent]).toEqual([id, first]);
  });

  test('forty random ones, with members that fail, run again or are replaced, give what a model says', async () => {
    expect(await run('import random_canvas\nrandom_canvas.differences(13, 40)')).toEqual([]);
  });

  test('an errback that is sent is a group of one', async () => {
    const code = `js('boom').apply_async(link_error=[js('origin').set(immutable=True, task_id='lonely-' + JS)])\ntold(app.AsyncResult('lonely-' + JS))`;
    expect(await run(code)).toEqual([expect.any(String), expect.any(String), expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });

  test('errbacks of a body are called once, by a message and in place', async () => {
    const mark = `m${Math.random()}`;
    const body = `js('xsum').on_error(js('tagged', '${mark}-sent')).on_error(js('new', '${mark}-here'))`;
    const id = (await run(`chord([js('boom'), js('boom'), js('add', 1, 1)])(${body}).id`)) as string;
    expect(await bench.errbacks(`${mark}-sent`, 1)).toEqual([`${mark}-sent ${id}`]);
    const [line] = await bench.errbacks(`${mark}-here`, 1);
    expect(line).toMatch(new RegExp(`^${mark}-here ${id} ChordError Dependency .* raised ValueError\\('boom'\\) none$`));
    expect(bench.marks(`${mark}-here`)).toBe(1);
  });

  test('an errback of a member is told of the member', async () => {
    const mark = `m${Math.random()}`;
    await run(`chord([js('boom').set(task_id='${mark}-id').on_error(js('tagged', '${mark}'))])(js('xsum')).id`);
    expect(await bench.errbacks(mark, 1)).toEqual([`${mark} ${mark}-id`]);
  });

  test('nothing of a chord is left but a mark that it is over', async () => {
    const group = await run("r = chord([js('add', 1, 1), js('boom')])(js('xsum'))\nstate(r)\nr.parent.id");
    const left = await run(`sorted(k.decode() for k in app.backend.client.keys('*${String(group)}*'))`);
    expect(left).toEqual([`lovage-chord-${String(group)}`]);
  });
});

test('parts in order of their coming are counted in both languages', async () => {
  await using bench = await start('Redis', { ordered: false });
  const code = "sorted(told(chord([(js if i % 2 else py)('add', i, 0) for i in range(20)])(js('listed'))))";
  expect(await bench.py.run(code)).toEqual([...Array(20).keys()]);
  expect(await bench.py.run(`state(chord([py('add', 1, 1), js('boom')])(js('xsum')))`)).toEqual([
    'FAILURE',
    expect.stringMatching(/ValueError\('boom'\)/),
  ]);
});
