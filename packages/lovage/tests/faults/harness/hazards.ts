// Tasks that are hard on their worker. A module for the orders' `tasks`.
import { pbkdf2 } from 'node:crypto';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Lovage, TaskContext } from '../../../src/index.ts';
import { openAppender, RUNS, runLine } from './ledger.ts';
import type { Orders } from './orders.ts';

const hash = promisify(pbkdf2);
/** Rounds that take some 100 ms of a processor. */
const ROUNDS = 200_000;

const LEAKED: Buffer[] = [];
const never = (): Promise<never> => new Promise(() => undefined);

/** How a task may end its process. */
const ENDS: Readonly<Record<string, () => unknown>> = {
  kill: () => process.kill(process.pid, 'SIGKILL'),
  segfault: () => process.kill(process.pid, 'SIGSEGV'),
  'exit 0': () => process.exit(0),
  'exit 1': () => process.exit(1),
  'throw later': () => {
    setTimeout(() => {
      throw new Error('thrown where nobody catches');
    }, 10);
    return never();
  },
  'reject later': () => {
    setTimeout(() => void Promise.reject(new Error('rejected where nobody looks')), 10);
    return never();
  },
};

export default function define(app: Lovage, orders: Orders): void {
  const log = openAppender(orders.folder, RUNS);
  const worker = `${orders.name}/${process.pid}`;
  const define = (name: string, work: (ctx: TaskContext, given: number) => Promise<unknown>): void => {
    app.task(name, { bind: true }, async (ctx: TaskContext, given: number) => {
      const { id, attempts } = ctx.request;
      log.append([runLine('start', id, attempts, worker)]);
      await work(ctx, given);
      log.append([runLine('end', id, attempts, worker)]);
      return { attempt: attempts, worker, time: Date.now() };
    });
  };
  // Keeps the pool of native threads busy for so many milliseconds.
  define('fault.threads', async (_, ms) => {
    const until = performance.now() + ms;
    while (performance.now() < until)
      await Promise.all(Array.from({ length: 8 }, () => hash('secret', 'salt', ROUNDS, 32, 'sha256')));
  });
  // Opens files until there are none left, and keeps them for so many milliseconds.
  define('fault.files', async (_, ms) => {
    const files: Awaited<ReturnType<typeof open>>[] = [];
    try {
      for (;;) files.push(await open('/dev/null'));
    } catch {
      await delay(ms);
    } finally {
      await Promise.all(files.map((file) => file.close()));
    }
  });
  // Takes its process down, when it is started for the first time.
  app.task('fault.suicide', { bind: true }, async (ctx: TaskContext, way: string) => {
    const { id, attempts } = ctx.request;
    log.append([runLine('start', id, attempts, worker)]);
    if (attempts === 1) await ENDS[way]?.();
    log.append([runLine('end', id, attempts, worker)]);
    return { attempt: attempts, worker, time: Date.now() };
  });
  define('fault.leak', async (_, bytes) => void LEAKED.push(Buffer.alloc(bytes, 1)));
  // Too many for a ledger.
  app.task('fault.nothing', () => undefined);
  define('fault.quick', () => Promise.resolve());
  // Never ends, whatever it is asked to do.
  define('fault.deaf', () => new Promise(() => undefined));
}
