// The acknowledgement matrix with a whole worker on a broker in memory and on real ones: what is stored, and what becomes of the message.
import { describe, expect, it } from 'vitest';
import type { Pool } from '../../../src/pool/index.ts';
import { Reject, type TaskContext, type TaskOptions } from '../../../src/task/index.ts';
import { TaskRevokedError } from '../../../src/util/index.ts';
import { startWorker, type Worker, type WorkerHost, type WorkerOptions } from '../../../src/worker/index.ts';
import { soon } from '../../support/worker-app.ts';
import { brokers, death, empty, type Setup, setup } from './places.ts';

interface End {
  readonly state: string;
  /** Class of the stored error. */
  readonly error?: string;
  /** Why its message is among the dead letters. */
  readonly dead?: string;
  /** How often it started. @default 1 */
  readonly runs?: number;
}

interface Row {
  readonly row: string;
  readonly options?: Omit<TaskOptions, 'input' | 'output'>;
  /** The body, by start. */
  readonly body: (ctx: TaskContext, run: number) => unknown;
  readonly call?: Readonly<Record<string, unknown>>;
  /** What happens to the worker once the task runs. */
  readonly meanwhile?: (host: WorkerHost, worker: Worker) => void;
  readonly late: End;
  readonly early: End;
}

const never = (): Promise<never> => new Promise(() => undefined);
const untilAborted = (ctx: TaskContext): Promise<never> =>
  new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
const fail = (): never => {
  throw new TypeError('bad value');
};
const failed: End = { state: 'FAILURE', error: 'TypeError' };
const success: End = { state: 'SUCCESS' };
const again: End = { state: 'SUCCESS', runs: 2 };
const lost: End = { state: 'FAILURE', error: 'WorkerLostError' };
const revoked: End = { state: 'REVOKED', error: 'TaskRevokedError' };

/** The first time as given, then well. */
const once =
  (first: (ctx: TaskContext) => unknown) =>
  (ctx: TaskContext, run: number): unknown =>
    run === 1 ? first(ctx) : 'fine';

const rows: readonly Row[] = [
  { row: 'success', body: () => 'fine', late: success, early: success },
  { row: 'exception', body: fail, late: failed, early: failed },
  {
    row: 'exception, acksOnFailure off',
    options: { acksOnFailure: false },
    body: fail,
    late: { ...failed, dead: 'failed' },
    early: failed,
  },
  {
    row: 'retry',
    options: { maxRetries: 1 },
    body: once((ctx) => ctx.retry({ countdown: 0 })),
    late: again,
    early: again,
  },
  { row: 'Ignore', body: (ctx) => ctx.ignore(), late: { state: 'PENDING' }, early: { state: 'PENDING' } },
  {
    row: 'Reject',
    body: () => {
      throw new Reject('never');
    },
    late: { state: 'FAILURE', error: 'Reject', dead: 'rejected' },
    early: { state: 'FAILURE', error: 'Reject' },
  },
  { row: 'Reject with requeue', body: once((ctx) => ctx.reject('later', { requeue: true })), late: again, early: again },
  {
    row: 'soft limit, uncaught',
    options: { softTimeLimit: 0.05 },
    body: untilAborted,
    late: { state: 'FAILURE', error: 'SoftTimeLimitExceeded' },
    early: { state: 'FAILURE', error: 'SoftTimeLimitExceeded' },
  },
  {
    row: 'soft limit, uncaught, acksOnFailure off',
    options: { softTimeLimit: 0.05, acksOnFailure: false },
    body: untilAborted,
    late: { state: 'FAILURE', error: 'SoftTimeLimitExceeded', dead: 'failed' },
    early: { state: 'FAILURE', error: 'SoftTimeLimitExceeded' },
  },
  {
    row: 'hard limit',
    options: { timeLimit: 0.05 },
    body: never,
    late: { state: 'FAILURE', error: 'TimeLimitExceeded' },
    early: { state: 'FAILURE', error: 'TimeLimitExceeded' },
  },
  {
    row: 'hard limit, acksOnTimeout off',
    options: { timeLimit: 0.2, acksOnTimeout: false },
    body: once(never),
    late: again,
    early: { state: 'FAILURE', error: 'TimeLimitExceeded' },
  },
  { row: 'slot lost', options: { params: ['lost'] }, body: () => 'fine', late: success, early: lost },
  {
    row: 'slot lost, rejectOnWorkerLost off',
    options: { params: ['lost'], rejectOnWorkerLost: false },
    body: () => 'fine',
    late: { ...lost, runs: 0 },
    early: lost,
  },
  {
    row: 'unencodable result',
    body: () => {
      const circle: unknown[] = [];
      circle.push(circle);
      return circle;
    },
    late: { state: 'FAILURE', error: 'EncodeError' },
    early: { state: 'FAILURE', error: 'EncodeError' },
  },
  {
    row: 'expired before start',
    body: () => 'fine',
    // Taken before it is too late: what expires in a queue of RabbitMQ is gone.
    call: { countdown: 0.3, expires: 0.1 },
    late: { ...revoked, runs: 0 },
    early: { ...revoked, runs: 0 },
  },
  {
    row: 'revoked before start',
    body: () => 'fine',
    call: { taskId: 'revoked' },
    late: { ...revoked, runs: 0 },
    early: { ...revoked, runs: 0 },
  },
  {
    row: 'terminated while running',
    body: untilAborted,
    meanwhile: ({ consumer }) => {
      for (const { run } of consumer?.flow.requests ?? []) run?.abort(new TaskRevokedError('terminated'));
    },
    late: revoked,
    early: revoked,
  },
  {
    row: 'cold shutdown while running',
    body: once(untilAborted),
    meanwhile: (_, worker) => void worker.terminate(),
    late: again,
    early: lost,
  },
];

/** The slot of a task that has the word in its parameters is lost at its first start, as when a child process dies. */
function losing(pool: Pool): Pool {
  let lostOnce = false;
  return {
    name: pool.name,
    can: pool.can,
    width: pool.width,
    limit: pool.limit,
    running: pool.running,
    resize: (limit) => pool.resize(limit),
    info: () => pool.info(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
    run: async (job, options) => {
      if (lostOnce) return pool.run(job, options);
      lostOnce = true;
      options.onStart?.({ pid: 0, name: 'lost' });
      return {
        state: 'LOST',
        results: [],
        next: [],
        runtime: 0,
        repr: 'gone',
        error: { type: 'WorkerLostError', message: 'The slot died.', traceback: undefined, expected: false },
      };
    },
  };
}

/** Workers one after the other: a new one takes the place of the one that stopped. */
async function start(s: Setup, row: Row): Promise<{ readonly host: () => WorkerHost | undefined; readonly worker: Worker }> {
  let seen: WorkerHost | undefined;
  const options: WorkerOptions = {
    steps: [
      {
        name: 'look',
        requires: ['pool'],
        start: async (host) => {
          seen = host;
          if (row.row.startsWith('slot lost') && host.pool !== undefined) host.pool = losing(host.pool);
        },
      },
    ],
  };
  const worker = await startWorker(s.app, options);
  return { host: () => seen, worker };
}

describe.each(brokers)('the end of a task on %s', (_, place) => {
  describe.each(['late', 'early'] as const)('acked %s', (when) => {
    it.each(rows)('$row', async (row) => {
      await using s = await setup(place);
      let runs = 0;
      const started = Promise.withResolvers<void>();
      const task = s.app.task('row', { ...row.options, params: [], bind: true, acksLate: when === 'late' }, (ctx) => {
        runs++;
        queueMicrotask(() => started.resolve());
        return row.body(ctx, runs);
      });
      const { host, worker } = await start(s, row);
      const id = row.call?.taskId === undefined ? undefined : `${String(row.call.taskId)}-${s.queue}`;
      if (id !== undefined) host()?.consumer?.flow.revoked.add(id);
      const result = await task.applyAsync([], { ...row.call, ...(id === undefined ? {} : { taskId: id }) });
      let second: Worker | undefined;
      if (row.meanwhile !== undefined) {
        await started.promise;
        const seen = host();
        if (seen !== undefined) row.meanwhile(seen, worker);
        if (worker.state === 'stopping') {
          await worker.closed;
          second = await startWorker(s.app);
        }
      }
      const { state, error, dead, runs: expected = 1 } = row[when];
      const lostSlot = row.row.startsWith('slot lost') && when === 'early' ? 0 : expected;
      await soon(async () => {
        const meta = await s.app.results.meta(result.id);
        const type = (meta.result as { exc_type?: string } | null)?.exc_type;
        expect([meta.status, type, runs]).toEqual([state, error, lostSlot]);
      }, 15_000);
      await soon(async () => expect(await s.counts()).toEqual({ ...empty, dead: dead === undefined ? 0 : 1 }), 15_000);
      if (dead !== undefined) expect(await death(s)).toMatchObject({ reason: dead });
      await second?.stop();
      await worker.stop();
    });
  });
});
