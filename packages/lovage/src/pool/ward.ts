// A process for one job at a time, beside a pool that has none to spare: in it runs what may have killed its worker before. Started with the
// first such job; when none has come for a while it leaves.
import type { Job, Outcome } from '../task/index.ts';
import { after, logger, type Timer } from '../util/index.ts';
import type { PoolDriverOptions, PoolRequest } from './request.ts';
import type { Pool, RunOptions } from './seam.ts';

const log = logger('pool');
/** Seconds without a job. */
const IDLE = 30;

class Ward implements AsyncDisposable {
  readonly #open: () => Promise<Pool>;
  readonly #beside: () => Pick<Pool, 'run'>;
  #pool: Promise<Pool> | undefined;
  #jobs = 0;
  #timer: Timer | undefined;

  constructor(open: () => Promise<Pool>, beside: () => Pick<Pool, 'run'>) {
    this.#open = open;
    this.#beside = beside;
  }

  async run(job: Job, options: RunOptions): Promise<Outcome> {
    this.#timer?.cancel();
    this.#jobs++;
    try {
      const pool = await this.#opened();
      return await pool.run(job, options);
    } finally {
      this.#jobs--;
      if (this.#jobs === 0) this.#timer = after(IDLE, () => void this.#close());
    }
  }

  /** Where no process can load the app, the job runs in the pool after all, rather than never. */
  async #opened(): Promise<Pick<Pool, 'run'>> {
    try {
      this.#pool ??= this.#open();
      return await this.#pool;
    } catch (error) {
      this.#pool = undefined;
      log.error('A task that was started before cannot run in a process of its own: {error}. It runs beside the others.', {
        error,
      });
      return this.#beside();
    }
  }

  async #close(): Promise<void> {
    const open = this.#pool;
    this.#pool = undefined;
    try {
      await (await open)?.[Symbol.asyncDispose]();
    } catch (error) {
      log.debug('A process for single tasks was not closed: {error}', { error: String(error) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    await this.#close();
  }
}

/** A pool beside which single jobs run in a process of their own, where the app can be loaded there. */
export async function withWard(
  request: PoolRequest,
  prefork: (options: PoolDriverOptions) => Promise<Pool>,
  open: (alone: Pool['alone']) => Pool | Promise<Pool>,
): Promise<Pool> {
  const { program, ended } = request;
  if (program === undefined || ended === undefined) return open(undefined);
  const { execute, grace, startTimeout, beforeStart, onLine, onUp } = request;
  const ward = new Ward(
    () => prefork({ limit: 1, execute, program, ended, grace, startTimeout, beforeStart, onLine, onUp }),
    () => pool,
  );
  const pool: Pool = await open((job, options) => ward.run(job, options));
  const close = pool[Symbol.asyncDispose].bind(pool);
  return Object.assign(pool, {
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await close();
      await ward[Symbol.asyncDispose]();
    },
  });
}
