// One suite for every pool. What a pool cannot do is in its row of the table, and the suite holds it to that, too.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeTaskBody } from '../../../src/protocol/index.ts';
import { TaskRevokedError } from '../../../src/util/index.ts';
import { type Bench, bench, job, never } from './harness.ts';

interface Row {
  readonly name: string;
  /** Slots are processes or threads. */
  readonly separate: boolean;
  /** Each slot is a process. */
  readonly processes: boolean;
  readonly fixed?: boolean;
}

const ROWS: readonly Row[] = [
  { name: 'solo', separate: false, processes: false, fixed: true },
  { name: 'async', separate: false, processes: false },
  { name: 'threads', separate: true, processes: false },
  { name: 'prefork', separate: true, processes: true },
];

/** Resolves when it holds; looked at with every turn of the loop, since no event says so. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setTimeout(next, 5));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const pidsOf = ({ pool }: Bench): readonly number[] => pool.info().processes as readonly number[];

describe.each(ROWS)('the pool $name', ({ name, separate, processes, fixed = false }) => {
  const concurrency = fixed ? 1 : 2;
  let b: Bench;
  beforeAll(async () => {
    b = await bench(name, { concurrency, grace: 0.3 });
  });
  afterAll(() => b[Symbol.asyncDispose]());

  /** Asks a task to stop, once it has begun. */
  async function stopped(task: string, reason: Error): ReturnType<Bench['run']> {
    const controller = new AbortController();
    return b.run(task, [], { signal: controller.signal, onStart: () => void setTimeout(() => controller.abort(reason), 20) });
  }

  test('gives back the value of a task, and its error', async () => {
    expect(await b.value('add', [2, 3])).toBe(5);
    expect(await b.run('fail', ['no'])).toMatchObject({ state: 'FAILURE', error: { type: 'RangeError', message: 'no' } });
  });

  test('tells where a task begins', async () => {
    const places: unknown[] = [];
    await b.run('add', [1, 1], { onStart: (place) => places.push(place) });
    expect(places).toEqual([{ pid: expect.any(Number), name: expect.stringMatching(new RegExp(`^${name}`)) }]);
  });

  test('carries ten megabytes each way, whatever else runs', async () => {
    const big = Promise.all([b.value<string>('big', [10_000_000]), b.value<number>('size', ['y'.repeat(10_000_000)])]);
    const small = Promise.all(Array.from({ length: 50 }, (_, index) => b.value('add', [index, 1])));
    const [[text, size], sums] = await Promise.all([big, small]);
    expect([text.length, size]).toEqual([10_000_000, 10_000_000]);
    expect(sums).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  test('carries texts of any language', async () => {
    const text = '😀 é \u0000 \u2028 漢字'.repeat(2000);
    expect(await b.value('echo', [text])).toBe(text);
  });

  test('fails a task whose value goes round in circles', async () => {
    expect(await b.run('circular')).toMatchObject({ state: 'FAILURE', error: { type: 'EncodeError' } });
  });

  test('fails a message that nobody can read, without saying that it began', async () => {
    let began = 0;
    const outcome = await b.run('add', [], { body: new Uint8Array([1, 2, 3]), onStart: () => began++ });
    expect(outcome).toMatchObject({ state: 'FAILURE', unusable: { reason: 'undecodable' } });
    expect(began).toBe(0);
  });

  test('runs ten times as many jobs as it has slots, never more at once than that', async () => {
    let most = 0;
    const look = (): void => {
      most = Math.max(most, b.pool.running);
    };
    const jobs = Array.from({ length: concurrency * 10 }, () => b.run('wait', [5], { onStart: look }));
    expect((await Promise.all(jobs)).every(({ state }) => state === 'SUCCESS')).toBe(true);
    expect(most).toBeLessThanOrEqual(concurrency);
  });

  test('lets a task that heeds its signal end by itself at its soft limit', async () => {
    expect(await b.run('heed', [], { softTimeLimit: 0.05 })).toMatchObject({
      state: 'FAILURE',
      error: { type: 'SoftTimeLimitExceededError' },
    });
  });

  test('stops a computing task that looks, at its soft limit', async () => {
    expect(await b.run('spin-politely', [], { softTimeLimit: 0.05 })).toMatchObject({
      error: { type: 'SoftTimeLimitExceededError' },
    });
  });

  test('runs tens of thousands of tiny jobs, and its memory stays as it is', async () => {
    const used = (): number => {
      setFlagsFromString('--expose-gc');
      (runInNewContext('gc') as () => void)();
      return process.memoryUsage().heapUsed;
    };
    const batch = async (): Promise<void> =>
      void (await Promise.all(Array.from({ length: 1000 }, (_, index) => b.run('add', [index, 1]))));
    for (let warm = 0; warm < 10; warm++) await batch();
    const before = used();
    for (let round = 0; round < (separate ? 20 : 90); round++) await batch();
    expect((used() - before) / 1_048_576).toBeLessThan(5);
  });

  test('ends a waiting task at its hard limit', async () => {
    expect(await b.run('hang', [], { timeLimit: 0.1 })).toMatchObject({
      state: 'FAILURE',
      error: { type: 'TimeLimitExceededError', timedOut: true },
    });
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('terminates a task that heeds it, and one that does not', async () => {
    for (const task of ['heed', 'hang']) {
      expect(await stopped(task, new TaskRevokedError('terminated'))).toMatchObject({ state: 'REVOKED' });
    }
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('never begins a task that was terminated while it waited', async () => {
    const controller = new AbortController();
    let began = 0;
    const busy = Array.from({ length: concurrency }, () => b.run('wait', [100]));
    const outcome = b.run('hang', [], { signal: controller.signal, onStart: () => began++ });
    controller.abort(new TaskRevokedError('terminated'));
    if (separate) expect(await outcome).toMatchObject({ state: 'REVOKED' });
    await Promise.all(busy);
    expect(await outcome).toMatchObject({ state: 'REVOKED' });
    expect(began).toBe(0);
  });

  test('takes no notice of a termination after the end', async () => {
    const controller = new AbortController();
    expect(await b.run('add', [1, 1], { signal: controller.signal })).toMatchObject({ state: 'SUCCESS' });
    controller.abort(new TaskRevokedError('terminated'));
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('says what dashboards read', () => {
    expect(b.pool.info()).toMatchObject({
      implementation: `lovage.pool:${name}`,
      'max-concurrency': concurrency,
      processes: expect.any(Array),
      'max-tasks-per-child': 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [0, 0],
      writes: { total: expect.any(Number), strategy: 'fair', inqueues: { total: expect.any(Number) } },
    });
  });

  test('refuses to have no slot', async () => {
    await expect(b.pool.resize(0)).rejects.toThrow(RangeError);
    expect(b.pool.limit).toBe(concurrency);
  });

  test('grows and shrinks while tasks run, or says that it cannot', async () => {
    if (fixed) {
      await expect(b.pool.resize(2)).rejects.toThrow("choose the pool 'async'");
      return;
    }
    const busy = [b.run('wait', [200]), b.run('wait', [200])];
    await b.pool.resize(3);
    const third = await b.run('wait', [1]);
    expect(third.state).toBe('SUCCESS');
    await b.pool.resize(1);
    expect(b.pool.limit).toBe(1);
    expect((await Promise.all(busy)).map(({ state }) => state)).toEqual(['SUCCESS', 'SUCCESS']);
    if (separate) await until(() => (b.pool.info().lovage as { slots: unknown[] }).slots.length === 1);
    await b.pool.resize(2);
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  if (!separate) {
    test('has no slots to put others in the place of', () => {
      expect(b.pool.restart).toBeUndefined();
      expect(b.pool.can).toMatchObject({ kill: false, isolate: false, restart: false });
    });

    test('refuses limits that only processes and threads can keep', async () => {
      await expect(bench(name, { maxTasksPerChild: 3 })).rejects.toThrow("use the pool 'prefork' or 'threads'");
      await expect(bench(name, { maxMemoryPerChild: 3 })).rejects.toThrow('maxMemoryPerChild = 3');
      await expect(bench(name, { width: 2 })).rejects.toThrow('width = 2');
    });
    return;
  }

  test('ends a computing task at its hard limit, and the next one runs', async () => {
    expect(await b.run('spin', [], { timeLimit: 0.1 })).toMatchObject({
      state: 'FAILURE',
      error: { type: 'TimeLimitExceededError', timedOut: true },
    });
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('ends a task that waits in native code at its hard limit', async () => {
    expect(await b.run('native', [], { timeLimit: 0.1 })).toMatchObject({ error: { type: 'TimeLimitExceededError' } });
  });

  test('runs the failure handlers and errbacks of a task that passed its hard limit once, although they take their time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lovage-pool-'));
    const file = join(folder, 'told');
    await using patient = await bench(name, { concurrency: 1 });
    expect(await patient.run('slow-to-fail', [file], { timeLimit: 0.1 })).toMatchObject({
      error: { type: 'TimeLimitExceededError' },
    });
    expect(await readFile(file, 'utf8')).toBe('told\n');
    const errback = { task: 'tell-at-once', args: [file], kwargs: {}, options: {}, subtask_type: null, immutable: false };
    const text = JSON.stringify(writeTaskBody([], {}, { callbacks: null, errbacks: [errback], chain: null, chord: null }));
    await patient.run('hang', [], { timeLimit: 0.1, body: new TextEncoder().encode(text) });
    expect(await readFile(file, 'utf8')).toBe('told\ntold\n');
    await rm(folder, { recursive: true });
  });

  test('terminates a computing task: one that looks by itself, another with its slot, and at once when it is killed', async () => {
    expect(await stopped('spin-politely', new TaskRevokedError('terminated'))).toMatchObject({ state: 'REVOKED' });
    expect(await stopped('spin', new TaskRevokedError('terminated'))).toMatchObject({ state: 'REVOKED' });
    const killed = new TaskRevokedError('terminated', { signal: 'SIGKILL' });
    expect(await stopped('hang', killed)).toMatchObject({ state: 'REVOKED' });
  });

  test('loses a task that is interrupted and does not heed it', async () => {
    expect(await stopped('spin', new Error('the worker stops'))).toMatchObject({
      state: 'LOST',
      error: { message: 'the worker stops' },
    });
  });

  test.each([
    ['exit', [0], 'exitcode 0'],
    ['exit', [3], 'exitcode 3'],
    ['uncaught', [], 'exitcode 1'],
    ['throws-nothing', [], 'exitcode 1'],
    ['unhandled', [], 'exitcode 1'],
  ])('loses a task that ends its slot by %s(%j), and runs the next', async (task, args, how) => {
    const outcome = await b.run(task, args);
    expect(outcome).toMatchObject({ state: 'LOST', error: { type: 'WorkerLostError' } });
    expect(outcome.error?.message).toMatch(new RegExp(`^Worker exited prematurely: ${how} Job: \\d+\\.$`));
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('ends the slot of a task that spoils its line, and takes no notice of what tasks say to their parent', async () => {
    expect(await b.run('post')).toMatchObject({ state: 'SUCCESS' });
    expect(await b.run('garble')).toMatchObject({ state: 'LOST', died: true });
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('does not blame a task for an end that another left behind', async () => {
    await using one = await bench(name, { concurrency: 1 });
    for (const careless of ['bomb', 'exits-later']) {
      expect(await one.run(careless)).toMatchObject({ state: 'SUCCESS' });
      const outcome = await one.run('hang');
      expect(outcome).toMatchObject({ state: 'LOST', innocent: true });
      expect(outcome).not.toHaveProperty('died');
    }
    await using shared = await bench(name, { concurrency: 1, width: 2 });
    const both = await Promise.all([shared.run('hang'), shared.run('uncaught')]);
    expect(both).toMatchObject([
      { state: 'LOST', innocent: true },
      { state: 'LOST', died: true },
    ]);
  });

  test('loses a task that takes more memory than there is', async () => {
    const small = await bench(name, {
      concurrency: 1,
      ...(processes ? { execArgv: ['--max-old-space-size=64'] } : { heap: 64 }),
    });
    await using _ = small;
    const outcome = await small.run('memory');
    expect(outcome.state).toBe('LOST');
    expect(outcome.error?.message).toContain(processes ? 'signal 6 (SIGABRT)' : 'out of memory');
    expect(await small.value('add', [1, 2])).toBe(3);
  });

  test('takes the options of Node that its slots can have, and leaves out those that they cannot', async () => {
    const execArgv = [
      '--max-old-space-size=256',
      '--report-on-fatalerror',
      '--conditions',
      'mine',
      '--report-dir',
      '/tmp',
      '--no-deprecation',
    ];
    await using given = await bench(name, { concurrency: 1, execArgv });
    expect(await given.value('options')).toEqual(processes ? execArgv : ['--conditions', 'mine', '--no-deprecation']);
  });

  test('puts new slots in the place of all: idle ones now, others when their tasks end', async () => {
    const slots = (): readonly string[] =>
      (b.pool.info().lovage as { slots: { name: string; state: string }[] }).slots.map((slot) => slot.state);
    const long = b.run('wait', [300]);
    await b.pool.restart?.();
    expect(await b.value('add', [1, 2])).toBe(3);
    expect(await long).toMatchObject({ state: 'SUCCESS' });
    await until(() => slots().every((state) => state === 'up') && slots().length === 2);
  });

  test('keeps its slots when it is restarted with a program that cannot start', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lovage-restart-'));
    const app = join(folder, 'tasks.ts');
    const program = (version: string): Promise<void> =>
      writeFile(app, `export { app } from '${new URL('./tasks.ts', import.meta.url).href}';\n${version}\n`);
    await program('');
    await using own = await bench(name, { app: pathToFileURL(app).href, concurrency: 2 });
    const states = (): readonly string[] =>
      (own.pool.info().lovage as { slots: { name: string; state: string }[] }).slots.map((slot) => slot.state);
    await until(() => states().join() === 'up,up');
    const replaced = (): unknown => (own.pool.info().lovage as { replaced: number }).replaced;
    await program('throw new Error("half a deploy");');
    await expect(own.pool.restart?.()).rejects.toThrow(/The slots stay as they are, .*half a deploy.* restart the pool again/s);
    expect([states(), replaced()]).toEqual([['up', 'up'], 0]);
    expect(await own.value('add', [1, 2])).toBe(3);
    await program('// mended');
    await Promise.all([own.pool.restart?.(), own.pool.restart?.()]);
    expect(await own.value('add', [1, 2])).toBe(3);
    await until(() => states().join() === 'up,up');
    expect(replaced()).toBe(4);
    await rm(folder, { recursive: true });
  });

  test('replaces a slot after so many tasks, and none is missed', async () => {
    await using few = await bench(name, { concurrency: 1, maxTasksPerChild: 2 });
    const sums = await Promise.all(Array.from({ length: 7 }, (_, index) => few.value<number>('add', [index, 0])));
    expect(sums).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect((few.pool.info().lovage as { replaced: number }).replaced).toBeGreaterThanOrEqual(3);
  });

  test('writes what tasks print in their name, their last words too', async () => {
    b.lines.length = 0;
    expect(await b.run('unfinished-line', ['fatal: no line end'])).toMatchObject({ state: 'LOST' });
    await until(() => b.lines.some(({ text }) => text.includes('fatal: no line end')));
    await b.run('print', ['hello']);
    const said = (): string => b.lines.map(({ text }) => text).join('\n');
    await until(() => said().includes('and hello'));
    expect(b.lines.filter(({ text }) => text.includes('hello')).every(({ text }) => text.includes('"task":"print"'))).toBe(true);
    b.lines.length = 0;
    await b.run('print', ['y'.repeat(20_000)]);
    const long = (): readonly string[] => b.lines.flatMap(({ text }) => (text.includes('yyy') ? [text.slice(1)] : []));
    await until(() => long().length === 4);
    const lengths = long().map((text) => (JSON.parse(text) as { properties: { line: string } }).properties.line.length);
    expect(lengths.toSorted((x, y) => x - y)).toEqual([3616, 3620, 16_384, 16_384]);
  });

  test('starts a slot that throws as it loads, or hangs, never: the start fails and says why', async () => {
    const broken = new URL('./broken.ts', import.meta.url).href;
    await expect(bench(name, { app: broken })).rejects.toThrow(/No slot of the pool .* can start: .*this module is broken/s);
    const slow = new URL('./slow.ts', import.meta.url).href;
    await expect(bench(name, { app: slow, startTimeout: 0.5 })).rejects.toThrow('not ready within 0.5 seconds');
  });

  test('several tasks share a slot, and those that did nothing wrong are not to blame', async () => {
    await using shared = await bench(name, { concurrency: 1, width: 3, grace: 0.1 });
    expect([shared.pool.limit, shared.pool.width]).toEqual([3, 3]);
    const places = await Promise.all([1, 2, 3].map(() => shared.value<{ slot: string }>('where')));
    expect(places.map(({ slot }) => slot)).toEqual(['1', '1', '1']);
    let begun = 0;
    const both = Promise.withResolvers<void>();
    const onStart = (): void => {
      begun++;
      if (begun === 2) both.resolve();
    };
    const neighbours = [shared.run('hang', [], { onStart }), shared.run('hang', [], { onStart })];
    await both.promise;
    const culprit = await shared.run('spin', [], { timeLimit: 0.1 });
    expect(culprit).toMatchObject({ state: 'FAILURE' });
    expect(await Promise.all(neighbours)).toMatchObject([
      { state: 'LOST', innocent: true },
      { state: 'LOST', innocent: true },
    ]);
    expect(await shared.value('add', [1, 2])).toBe(3);
  });

  test('a task that has computed is over before one that shares its slot has computed too', async () => {
    await using shared = await bench(name, { concurrency: 1, width: 2 });
    const stop = new AbortController();
    const first = shared.run('compute', [5]);
    const second = shared.run('spin-politely', [], { signal: stop.signal });
    expect(await first).toMatchObject({ state: 'SUCCESS' });
    stop.abort(new TaskRevokedError('terminated'));
    expect(await second).toMatchObject({ state: 'REVOKED' });
  });

  test('leaves nothing behind when it is disposed', async () => {
    const last = await bench(name, { concurrency: 2 });
    await Promise.all([last.value('where'), last.value('where')]);
    const pids = pidsOf(last);
    await last[Symbol.asyncDispose]();
    if (processes) expect(pids.filter(isAlive)).toEqual([]);
    expect((last.pool.info().lovage as { slots: unknown[] }).slots).toEqual([]);
  });
});

describe('the pool prefork alone', () => {
  test('loses a task whose process is killed, in the words that Celery uses, and goes on', async () => {
    await using b = await bench('prefork', { concurrency: 1 });
    expect((await b.run('signal', ['SIGKILL'])).error?.message).toBe('Worker exited prematurely: signal 9 (SIGKILL) Job: 1.');
    expect((await b.run('signal', ['SIGSEGV'])).error?.message).toBe('Worker exited prematurely: signal 11 (SIGSEGV) Job: 2.');
    expect(await b.value('add', [1, 2])).toBe(3);
  });

  test('keeps signals that everybody gets from its children', async () => {
    await using b = await bench('prefork', { concurrency: 1 });
    const { pid } = await b.value<{ pid: number }>('where');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const) process.kill(pid, signal);
    expect(await b.value('where')).toMatchObject({ pid });
  });

  test('hears the last words of a process that is killed', async () => {
    await using b = await bench('prefork', { concurrency: 1 });
    await b.run('last-words', ['goodbye']);
    const text = b.lines.map((line) => line.text).join('\n');
    expect(text).toContain('"message":["","goodbye",""]');
    expect(text).toContain('logged ');
  });

  test('replaces a process that uses too much memory, after its task', async () => {
    await using b = await bench('prefork', { concurrency: 1, maxMemoryPerChild: 300_000 });
    const first = await b.value<number>('leak', [400]);
    let pid = first;
    while (pid === first) pid = await b.value<number>('wait', [50]);
    expect(b.pool.info().lovage).toMatchObject({ lost: 0, replaced: 1 });
  });

  test('starts again what announces itself, and had not, when its slot was gone', async () => {
    await using b = await bench('prefork', { concurrency: 1 });
    const { pid } = await b.value<{ pid: number }>('where');
    process.kill(pid, 'SIGSTOP');
    const announced = b.run('add', [1, 2], { announce: true });
    process.kill(pid, 'SIGKILL');
    expect(await announced).toMatchObject({ state: 'SUCCESS', repr: '3' });
    expect(b.pool.info().lovage).toMatchObject({ lost: 0 });
  });
});

describe.each(ROWS.filter(({ separate }) => separate))('one slot of the pool $name', ({ name }) => {
  test('has its next job at hand behind a short one, and gives it back behind one that turns out long', async () => {
    await using b = await bench(name, { concurrency: 1, grace: 0.3 });
    const ends: string[] = [];
    const controller = new AbortController();
    const send = (label: string, ms: number, returned: () => void, signal = never): Promise<unknown> =>
      Promise.resolve(b.pool.run(job('compute-politely', [ms]), { signal, returned })).then(({ state }) =>
        ends.push(`${label} ${state}`),
      );
    const unexpected = (): void => void ends.push('given back');
    for (let run = 0; run < 40; run++) await send('warm', 0, unexpected);
    ends.length = 0;
    await Promise.all(['a', 'b', 'c'].map((label) => send(label, 1, unexpected)));
    expect(ends).toEqual(['a SUCCESS', 'b SUCCESS', 'c SUCCESS']);
    const long = send('long', 60_000, unexpected, controller.signal);
    expect(b.pool.ahead).toBe(1);
    await new Promise<void>((resolve) => void send('short', 0, resolve));
    expect(ends).toHaveLength(3);
    controller.abort(new TaskRevokedError('enough'));
    await long;
    expect(ends.slice(3)).toEqual(['long REVOKED']);
    expect(b.pool.running).toBe(0);
    expect(await b.value('add', [2, 3])).toBe(5);
  });
});
