// Opens any pool on the tasks of tasks.ts, as a worker does, and runs them by name.

import {
  openPool,
  type Pool,
  type PoolRequest,
  type RunOptions,
  type SlotLine,
  type SlotProgram,
} from '../../../src/pool/index.ts';
import { writeTaskBody } from '../../../src/protocol/index.ts';
import { execute, executeEnd, type Job, type Outcome } from '../../../src/task/index.ts';
import { uuid } from '../../../src/util/index.ts';
import { slotProgram } from '../../../src/worker/slot-program.ts';
import { jobOf } from '../../support/jobs.ts';
import { app } from './tasks.ts';

export const never: AbortSignal = new AbortController().signal;
const environment = app.environment({ hostname: 'pools@test' });

/** A job of the task of that name. */
export function job(task: string, args: readonly unknown[] = [], fields: Partial<Omit<Job, 'request'>> = {}): Job {
  const body = writeTaskBody(args, {}, { callbacks: null, errbacks: null, chain: null, chord: null });
  return jobOf(uuid(), { body: new TextEncoder().encode(JSON.stringify(body)), ...fields }, { task });
}

export interface Bench extends AsyncDisposable {
  readonly pool: Pool;
  readonly lines: SlotLine[];
  run(task: string, args?: readonly unknown[], more?: Partial<RunOptions> & Partial<Omit<Job, 'request'>>): Promise<Outcome>;
  /** What a task returned. */
  value<T>(task: string, args?: readonly unknown[]): Promise<T>;
}

export async function bench(
  name: string,
  request: Partial<PoolRequest> & Partial<Pick<SlotProgram, 'heap' | 'execArgv'>> & { readonly app?: string } = {},
): Promise<Bench> {
  const lines: SlotLine[] = [];
  const { app: specifier = new URL('./tasks.ts', import.meta.url).href, heap, execArgv, ...more } = request;
  const described = slotProgram({
    app: specifier,
    base: import.meta.dirname,
    include: [],
    hostname: 'pools@test',
    ownsLogging: true,
    redirectLevel: 'WARNING',
  });
  const pool = await openPool(name, {
    execute: (given, options) => execute(given, environment, options),
    ended: (given, reason, runtime) => executeEnd(given, environment, reason, runtime),
    program: {
      ...(heap === undefined ? {} : { heap }),
      ...(execArgv === undefined ? {} : { execArgv }),
      ...described,
      // Nobody has set logging up here.
      data: { ...described.data, level: 'debug' },
    },
    onLine: (line) => void lines.push(line),
    ...more,
  });
  const run: Bench['run'] = async (task, args = [], { signal = never, onStart, announce = false, ...fields } = {}) =>
    pool.run(job(task, args, fields), { signal, announce, ...(onStart === undefined ? {} : { onStart }) });
  return {
    pool,
    lines,
    run,
    value: async <T>(task: string, args: readonly unknown[] = []) => {
      const { results, repr } = await run(task, args);
      const [record] = results;
      if (record === undefined) throw new Error(`Nothing was stored: ${repr}`);
      return (JSON.parse(new TextDecoder().decode(record.body)) as { readonly result: T }).result;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(pool[Symbol.asyncDispose]()),
  };
}
