// Chords on whole workers: every end of a member ends its chord, once; what a killed worker leaves is ended by another.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type SqlServer, startMariadb, startPostgres } from '../../../../../scripts/servers/index.ts';
import type { Lovage } from '../../../src/app/index.ts';
import { joinable } from '../../../src/canvas/index.ts';
import * as canvas from '../../../src/index.ts';
import { type CanvasResult, type SignatureLike, sendPlan, startSignature, type TaskContext } from '../../../src/task/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { startWorker } from '../../../src/worker/index.ts';
import { redisUrl } from '../../support/servers.ts';
import { places, setup } from './places.ts';

const databases = new AsyncDisposableStack();
let postgres: SqlServer;
let mariadb: SqlServer;
beforeAll(async () => {
  [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()]);
  databases.use(postgres);
  databases.use(mariadb);
});
afterAll(() => databases.disposeAsync());

const SQL: typeof places = [
  ['redis with PostgreSQL', () => ({ brokerUrl: redisUrl(), resultBackend: `db+${postgres.url}` })],
  ['redis with MariaDB', () => ({ brokerUrl: redisUrl(), resultBackend: `db+${mariadb.url}` })],
  [
    'redis with a file of SQL',
    async (stack) => {
      const folder = await mkdtemp(join(tmpdir(), 'lovage-joins-'));
      stack.defer(() => rm(folder, { recursive: true, force: true }));
      return { brokerUrl: redisUrl(), resultBackend: `db+sqlite:///${folder}/results.db` };
    },
  ],
];
const COUNTING = ['memory', 'sqlite, one file', 'sqlite, two files', 'redis', 'amqp with redis'];
const WHERE: typeof places = [...places.filter(([name]) => COUNTING.includes(name)), ...SQL];
const CHILD = join(import.meta.dirname, '../../support/dying-worker.ts');

/** Types stand aside here: what may be sent at all is the business of tests/types. */
type Sendable = SignatureLike & { delay(...missing: readonly unknown[]): Promise<CanvasResult | undefined> };

const chain = canvas.chain as unknown as (...steps: unknown[]) => Sendable;
const group = canvas.group as unknown as (...members: unknown[]) => Sendable;
const chord = canvas.chord as unknown as (header: unknown, body: unknown) => Sendable;

function tasksOf(app: Lovage) {
  const seen: unknown[][] = [];
  const add = app.task('add', (x: number, y: number) => x + y);
  const list = app.task('list', (values: unknown) => values);
  return {
    seen,
    add,
    list,
    sum: app.task('sum', (numbers: number[]) => numbers.reduce((all, each) => all + each, 0)),
    fail: app.task('fail', (..._: unknown[]): number => {
      throw new RangeError('boom');
    }),
    late: app.task('late', { expires: -5 }, (..._: unknown[]) => 1),
    ignored: app.task('ignored', { bind: true }, (context: TaskContext): number => context.ignore('not today')),
    rejected: app.task('rejected', { bind: true }, (context: TaskContext): number => context.reject('no')),
    toAdd: app.task('toAdd', { bind: true }, (context: TaskContext, x: number): number => context.replace(add.s(x, 100))),
    toChain: app.task('toChain', { bind: true }, (context: TaskContext, x: number): number =>
      context.replace(chain(add.s(x, 100), add.s(1000))),
    ),
    toGroup: app.task('toGroup', { bind: true }, (context: TaskContext, x: number): number[] =>
      context.replace(group(add.s(x, 100), add.s(x, 200))),
    ),
    toChord: app.task('toChord', { bind: true }, (context: TaskContext, x: number): number[] =>
      context.replace(chord([add.s(x, 100), add.s(x, 200)], list.s())),
    ),
    twice: app.task('twice', { bind: true }, (context: TaskContext, x: number): number =>
      context.replace(context.request.replacedTaskNesting < 3 ? app.signature('twice', [x + 1]) : add.s(x, 0)),
    ),
    toFailure: app.task('toFailure', { bind: true }, (context: TaskContext): number => context.replace(app.signature('fail'))),
    grows: app.task('grows', { bind: true }, async (context: TaskContext, x: number) => {
      await context.addToChord(add.s(x, 100));
      await context.addToChord(add.s(x, 200));
      return x;
    }),
    told: app.task('told', { errback: 'task' }, (id: string, mark: string) => void seen.push([mark, id])),
  };
}
type Tasks = ReturnType<typeof tasksOf>;

describe.each(WHERE)('on %s', (name, place) => {
  const stack = new AsyncDisposableStack();
  let tasks: Tasks;
  let app: Lovage;
  beforeAll(async () => {
    const made = stack.use(await setup(place));
    app = made.app;
    tasks = tasksOf(app);
    stack.use(await startWorker(app, { concurrency: 10 }));
  });
  afterAll(() => stack.disposeAsync());
  const outcome = async (made: unknown): Promise<unknown> => {
    const result = await (made as Sendable).delay();
    return result?.get({ timeout: 20 });
  };
  /** The error stored for a result itself; with its parents, theirs would be thrown. */
  const failure = async (made: unknown): Promise<string> => {
    const result = await (made as Sendable).delay();
    const error: unknown = await app
      .result(result?.id ?? '')
      .get({ timeout: 20 })
      .catch((thrown: unknown) => thrown);
    return String(error);
  };

  describe('the body fails with the cause of', () => {
    const members: Readonly<Record<string, readonly [(tasks: Tasks) => SignatureLike, RegExp]>> = {
      'a member that fails': [({ fail }) => fail.s(), /ValueError\('boom'\)/],
      'a member that is too late': [({ late }) => late.s(), /TaskRevokedError\('expired'\)/],
      'a member that is unknown': [() => app.signature('nobody'), /NotRegistered\('nobody'\)/],
      'a member that ignores itself': [({ ignored }) => ignored.s(), /Ignore\('not today'\)/],
      'a member that rejects itself': [({ rejected }) => rejected.s(), /Reject\('no'/],
      'a member that is replaced by a failure': [({ toFailure }) => toFailure.s(), /ValueError\('boom'\)/],
      'a first step of a chain': [({ fail, add }) => chain(fail.s(), add.s(1)), /ValueError/],
      'a late step of a chain': [({ add, late }) => chain(add.s(1, 1), late.s(), add.s(1)), /expired/],
      'a chord': [({ fail, add, sum }) => chord([fail.s(), add.s(1, 1)], sum.s()), /boom/],
      'a chord three deep': [({ fail, sum, list }) => chord([chord([chord([fail.s()], sum.s())], sum.s())], list.s()), /boom/],
      'a chain that would end in a group': [({ fail, add }) => chain(fail.s(), group(add.s(1), add.s(2))), /boom/],
    };
    for (const [title, [make, cause]] of Object.entries(members)) {
      it(title, async () => {
        const { add, list } = tasks;
        const error = await failure(chord([add.s(1, 1), make(tasks)], list.s()));
        expect(error).toMatch(/^ChordError: Dependency /);
        expect(error).toMatch(cause);
      });
    }
  });

  it('the steps behind a failed chord, and the chord around it, fail with it', async () => {
    const { add, fail, sum, list } = tasks;
    expect(await failure(chain(chord([add.s(1, 1), fail.s()], sum.s()), add.s(1), add.s(2)))).toMatch(/^ChordError: .*boom/);
    const inner = chain(chord([fail.s()], sum.s()), add.s(1));
    expect(await failure(chord([inner, add.s(1, 1)], list.s()))).toMatch(/^ChordError: .*ChordError/);
  });

  it('the errbacks of a body are told once, of its id', async () => {
    const { add, fail, sum, told, seen } = tasks;
    const mark = uuid();
    const result = await chord([fail.s(), fail.s(), add.s(1, 1)], sum.s().linkError(told.s(mark))).delay();
    await expect(result?.get({ timeout: 20 })).rejects.toThrow(/boom/);
    await vi.waitFor(() => expect(seen.filter(([own]) => own === mark)).toEqual([[mark, result?.id]]), { timeout: 10_000 });
  });

  it.each<readonly [string, (tasks: Tasks) => unknown, unknown]>([
    ['by a task', ({ toAdd }) => toAdd.s(1), 101],
    ['by a chain', ({ toChain }) => toChain.s(1), 1101],
    ['by a group', ({ toGroup }) => toGroup.s(1), [101, 201]],
    ['by a chord', ({ toChord }) => toChord.s(1), [101, 201]],
    ['again and again', ({ twice }) => twice.s(1), 4],
    ['as the first step of a chain', ({ toAdd, add }) => chain(toAdd.s(1), add.s(5)), 106],
    ['as a step of a chain, by a chain', ({ toChain, add }) => chain(add.s(1, 1), toChain.s(), add.s(5)), 1107],
    ['as a step of a chain, by a group', ({ toGroup, list }) => chain(toGroup.s(1), list.s()), [101, 201]],
    ['in a group', ({ toAdd, toChain }) => group(toAdd.s(1), toChain.s(2)), [101, 1102]],
    ['in a header', ({ toAdd, toChain, list, add }) => chord([toAdd.s(1), add.s(1, 1), toChain.s(2)], list.s()), [101, 2, 1102]],
    ['in a header, by a group', ({ toGroup, add, list }) => chord([toGroup.s(1), add.s(1, 1)], list.s()), [[101, 201], 2]],
    ['in a header, by a chord', ({ toChord, add, list }) => chord([toChord.s(1), add.s(1, 1)], list.s()), [[101, 201], 2]],
    [
      'at the end of a chain in a header',
      ({ toChain, add, list }) => chord([chain(add.s(1, 1), toChain.s()), add.s(1, 1)], list.s()),
      [1102, 2],
    ],
    ['as a body', ({ add, sum, toAdd }) => chord([add.s(1, 1)], chain(sum.s(), toAdd.s())), 102],
  ])('a task is replaced %s', async (_, make, expected) => {
    expect(await outcome(make(tasks))).toEqual(expected);
  });

  it('a header grows while it runs', async () => {
    const { grows, add, list } = tasks;
    const values = (await outcome(chord([grows.s(1), add.s(1, 1)], list.s()))) as number[];
    expect(values.toSorted((a, b) => a - b)).toEqual([1, 2, 101, 201]);
  });

  it('a chord that a redelivered step starts again runs its body once', async () => {
    const { add, list } = tasks;
    const id = uuid();
    const environment = app.environment();
    const wire = chord([add.s(1, 1), add.s(2, 2)], list.s()).toWire();
    const input = { args: [], rootId: id, parentId: id, chain: [], seed: id };
    for (let start = 0; start < 3; start++) await sendPlan(environment, startSignature(environment, wire, input));
    const bodyId = startSignature(environment, wire, input).result?.id ?? '';
    expect(await app.result(bodyId).get({ timeout: 20 })).toEqual([2, 4]);
  });

  it('a chord whose last part was counted by a worker that is gone is ended by a janitor, once', async () => {
    await using other = await setup(place, {});
    const seen: unknown[] = [];
    other.app.task('end', (values: unknown) => {
      seen.push(values);
      return values;
    });
    const body = { task: 'end', args: [], kwargs: {}, options: { task_id: uuid() }, subtask_type: null, immutable: false };
    const groupId = uuid();
    const store = (await other.app.openBackend()).chords;
    const { chords } = other.app.results;
    await other.app.results.openChords([{ groupId, size: 2, body, header: [[groupId, null], []], nested: false, expires: 60 }]);
    const part = (index: number) =>
      chords.part({
        groupId,
        index,
        id: `${groupId}${index}`,
        state: 'SUCCESS',
        result: index,
        callback: { body },
      });
    expect(await store?.join([part(0), part(1)])).toHaveLength(1);
    await using _one = await startWorker(other.app, { hostname: 'one', staleChords: 1 });
    await using _two = await startWorker(other.app, { hostname: 'two', staleChords: 1 });
    expect(await other.app.result(body.options.task_id).get({ timeout: 20 })).toEqual([0, 1]);
    await vi.waitFor(async () => expect((await store?.stale?.(0))?.map((found) => found.groupId)).not.toContain(groupId), {
      timeout: 10_000,
      interval: 20,
    });
    expect(seen).toEqual([[0, 1]]);
  });

  // The memory of one process dies with it.
  const deaths =
    name === 'memory'
      ? []
      : [
          ['a body', 'double', 'end'],
          ['an errback of a body', 'fail', 'errback'],
        ];
  it.each(deaths)(
    'a worker killed between counting the last part and sending %s is replaced by another',
    async (_, member, victim) => {
      await using other = await setup(place, {});
      const seen: unknown[] = [];
      const { brokerUrl, resultBackend, taskDefaultQueue } = other.app.settings;
      const SETTINGS = JSON.stringify({ brokerUrl, resultBackend, taskDefaultQueue, brokerTransportOptions: {} });
      const child = spawn(process.execPath, [CHILD], {
        env: { ...process.env, SETTINGS, VICTIM: victim },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      const end = other.app.signature('end').linkError(other.app.signature('errback'));
      const result = await chord(
        [1, 2, 3].map((n) => other.app.signature(member, [n])),
        end,
      ).delay();
      await once(child, 'exit');
      other.app.task('double', (x: number) => 2 * x);
      other.app.task('fail', (..._: unknown[]) => {
        throw new RangeError('boom');
      });
      other.app.task('end', (values: unknown) => {
        seen.push(values);
        return values;
      });
      other.app.task('errback', { errback: 'task' }, (id: string) => void seen.push(id));
      // Longer than a busy worker takes from counting to sending: else both send.
      await using _worker = await startWorker(other.app, { staleChords: 1 });
      if (member === 'double') expect(await result?.get({ timeout: 60 })).toEqual([2, 4, 6]);
      else await expect(result?.get({ timeout: 60 })).rejects.toThrow(/boom/);
      await vi.waitFor(() => expect(seen).toEqual(member === 'double' ? [[2, 4, 6]] : [result?.id]), { timeout: 30_000 });
    },
  );
});

describe.each(places.filter(([name]) => ['sqlite, one file', 'redis', 'amqp with redis'].includes(name)))('on %s', (_, place) => {
  it('a chord of ten thousand ends once, with all its results in order', async () => {
    await using made = await setup(place);
    const { add, list, seen } = tasksOf(made.app);
    const count = made.app.task('count', (values: number[]) => {
      seen.push([values.length]);
      return values.every((value, index) => value === index);
    });
    await using _worker = await startWorker(made.app, { concurrency: 200 });
    const result = await chord(
      Array.from({ length: 10_000 }, (__, index) => add.s(index, 0)),
      count.s(),
    ).delay();
    expect(await result?.get({ timeout: 50 })).toBe(true);
    expect(seen).toEqual([[10_000]]);
    expect(list.name).toBe('list');
  });
});

describe.each(SQL)('on %s', (_, place) => {
  it('a chord that was begun when celery.chord_unlock had to look ends, once', async () => {
    await using made = await setup(place, { resultChordRetryInterval: 0.05 });
    const { app } = made;
    const { add, seen } = tasksOf(app);
    const end = app.task('end', (values: unknown) => {
      seen.push([values]);
      return values;
    });
    const environment = app.environment();
    const id = uuid();
    const input = { args: [], rootId: id, parentId: id, chain: [], seed: id };
    const plan = startSignature(environment, chord([add.s(1, 1), add.s(2, 2)], end.s()).toWire(), input);
    // Before, the store said no more of itself than that it keeps results.
    await sendPlan(environment, joinable(plan, { name: 'before', features: { persistent: true } }));
    await using _worker = await startWorker(app);
    expect(await app.result(plan.result?.id ?? '').get({ timeout: 20 })).toEqual([2, 4]);
    expect(seen).toEqual([[[2, 4]]]);
  });
});

/** Workers in processes of their own, each replaced when it dies, until the test has ended. */
function dyingWorkers(settings: object, log: string): () => number {
  let deaths = 0;
  let isOver = false;
  let child: ChildProcess;
  const start = (): void => {
    const env = { ...process.env, SETTINGS: JSON.stringify(settings), LOG: log };
    child = spawn(process.execPath, [CHILD], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('exit', () => {
      if (isOver) return;
      deaths++;
      start();
    });
  };
  start();
  onTestFinished(() => {
    isOver = true;
    child.kill('SIGKILL');
  });
  return () => deaths;
}

describe.each(places.filter(([name]) => ['sqlite, one file', 'redis', 'amqp with redis'].includes(name)))(
  'on %s',
  (name, place) => {
    it('a chord whose members kill their workers ends once, with all results in order', async () => {
      const more = name === 'redis' ? { brokerTransportOptions: { leaseSeconds: 2 } } : {};
      await using made = await setup(place, more);
      const folder = await mkdtemp(join(tmpdir(), 'lovage-deaths-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      const log = join(folder, 'log');
      const { brokerUrl, resultBackend, taskDefaultQueue } = made.app.settings;
      const deaths = dyingWorkers({ brokerUrl, resultBackend, taskDefaultQueue, resultExpires: 300, ...more }, log);
      const numbers = Array.from({ length: 30 }, (_, index) => index);
      const members = numbers.map((number) => made.app.signature('risky', [number]));
      const result = await chord(members, made.app.signature('end')).delay();
      expect(await result?.get({ timeout: 100 })).toEqual(numbers);
      expect(deaths()).toBeGreaterThan(0);
      expect(readFileSync(log, 'utf8')).toBe('ran\n');
    }, 120_000);
  },
);
