// How a measured program speaks to the runner: a role and options as arguments, one JSON line for each answer, end at the end of input.

/** What every role needs to know; a role ignores what it does not use. */
export interface Options {
  readonly url: string;
  readonly queue: string;
  readonly count: number;
  /** How calls are made: one after the other, 100 in flight, or 1,000 at once. */
  readonly mode?: 'awaited' | 'inflight' | 'bulk';
  readonly concurrency?: number;
  readonly results?: boolean;
  /** Which canvas: 100 steps, each with the result of the one before; 1,000 tasks and their results; 1,000 and a body that adds them up. */
  readonly canvas?: 'chain' | 'group' | 'chord';
  /** How late the runs of beat are: in the middle, but for one in a hundred, or the last of all. When memory is looked at: at rest, or after work. */
  readonly figure?: 'p50' | 'p99' | 'max' | 'idle' | 'busy';
  /** What the tasks do; `wait` waits for ten milliseconds. @default 'noop' */
  readonly task?: 'noop' | 'hash' | 'wait';
  /** Settings of the peer's own, for example Lovage's `redisInFlight`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A role answers once or, as `worker` does, twice: when it is ready, and when it has done its count. */
export type Role = (options: Options, answer: (fields: Record<string, unknown>) => void) => Promise<void>;

/** How long a task waits that waits. */
export const WAIT_MS = 10;

/** About 60 bytes of JSON. */
export const ARGUMENTS: readonly [string, { amount: number; currency: string }] = [
  'order-000001',
  { amount: 12.5, currency: 'EUR' },
];

const answer = (fields: Record<string, unknown>): void => {
  process.stdout.write(`${JSON.stringify(fields)}\n`);
};

/** Runs the role named in the arguments; the program ends when the runner closes its input, whatever is still open. */
export async function serve(roles: Readonly<Record<string, Role>>): Promise<void> {
  const [name = '', options = '{}'] = process.argv.slice(2);
  const role = roles[name];
  if (role === undefined) throw new Error(`No role '${name}'; there are: ${Object.keys(roles).join(', ')}`);
  process.stdin.resume().once('end', () => process.exit(0));
  await role(JSON.parse(options) as Options, answer);
}

/** Times `count` calls in the mode asked for, after a quarter as many that only warm up. Resolves to calls a second. */
export async function timeCalls(
  options: Options,
  call: () => Promise<unknown>,
  bulk?: (size: number) => Promise<unknown>,
): Promise<number> {
  const round = (count: number): Promise<void> => {
    if (options.mode === 'bulk') return inBulk(count, bulk ?? ((size) => Promise.all(Array.from({ length: size }, call))));
    return inFlight(count, options.mode === 'inflight' ? 100 : 1, call);
  };
  await round(Math.ceil(options.count / 4));
  const start = performance.now();
  await round(options.count);
  return options.count / ((performance.now() - start) / 1000);
}

async function inFlight(count: number, width: number, call: () => Promise<unknown>): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (left-- > 0) await call();
    }),
  );
}

async function inBulk(count: number, bulk: (size: number) => Promise<unknown>): Promise<void> {
  for (let done = 0; done < count; done += 1000) await bulk(Math.min(1000, count - done));
}

/** Latencies of calls made one after the other, in milliseconds, and calls a second; as many before them only warm up. */
export async function timeGets(count: number, get: () => Promise<unknown>): Promise<Record<string, number>> {
  for (let index = 0; index < count; index++) await get();
  const taken: number[] = [];
  const start = performance.now();
  for (let index = 0; index < count; index++) {
    const from = performance.now();
    await get();
    taken.push(performance.now() - from);
  }
  const perSecond = count / ((performance.now() - start) / 1000);
  taken.sort((a, b) => a - b);
  const quantile = (share: number): number => taken[Math.min(taken.length - 1, Math.floor(taken.length * share))] ?? Number.NaN;
  return { perSecond, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}

const SHARES: Readonly<Record<string, number>> = { p50: 0.5, p99: 0.99 };

/** Milliseconds after their due time at which `count` periodic tasks began, as one figure. */
export function lateness(
  { count, figure = 'p50' }: Options,
  answer: (fields: Record<string, unknown>) => void,
): (due: number) => void {
  const late: number[] = [];
  return (due) => {
    late.push(Date.now() - due);
    if (late.length !== count) return;
    late.sort((a, b) => a - b);
    const share = SHARES[figure] ?? 1;
    answer({ milliseconds: late[Math.min(count - 1, Math.floor(count * share))] });
  };
}

/** How many steps or members a canvas has. */
export const CANVAS_SIZE = { chain: 100, group: 1000, chord: 1000 } as const;

/** Milliseconds from the call of a canvas to its right result: the median of `count`, after as many that only warm up. */
export async function timeCanvas(
  count: number,
  run: () => Promise<unknown>,
  right: (result: unknown) => boolean,
): Promise<Record<string, number>> {
  const taken: number[] = [];
  for (let round = 0; round < 2 * count; round++) {
    const from = performance.now();
    const result = await run();
    if (!right(result)) throw new Error(`A canvas gave ${JSON.stringify(result)}`);
    if (round >= count) taken.push(performance.now() - from);
  }
  taken.sort((a, b) => a - b);
  return { milliseconds: taken[Math.floor(count / 2)] ?? Number.NaN };
}

/** Is this the result of such a canvas? A step adds 1 to what it gets, a member of a group gives 1, a body gives their sum. */
export function isRight(canvas: keyof typeof CANVAS_SIZE, result: unknown): boolean {
  const size = CANVAS_SIZE[canvas];
  return canvas === 'group' ? Array.isArray(result) && result.length === size : result === size;
}

/** What a task does once it is counted: nothing, or the wait that it was asked for. */
export function work({ task }: Options): Promise<number> | number {
  return task === 'wait' ? new Promise((resolve) => setTimeout(resolve, WAIT_MS, 1)) : 1;
}

/** Counts runs of a task; tells the rate of the last `count` of twice as many, and what they cost this process: the first half only warms up. */
export function counter(count: number, answer: (fields: Record<string, unknown>) => void): () => void {
  let runs = 0;
  let start = 0;
  let cpu = process.cpuUsage();
  return () => {
    if (runs++ === count) {
      start = performance.now();
      cpu = process.cpuUsage();
    }
    if (runs !== 2 * count) return;
    const { user, system } = process.cpuUsage(cpu);
    const perSecond = count / ((performance.now() - start) / 1000);
    answer({ perSecond, cpuMicros: (user + system) / count, rssMiB: process.memoryUsage.rss() / 2 ** 20 });
  };
}
