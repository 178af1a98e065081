// Pools by name, loaded when a worker asks for one. What a pool cannot keep is refused here, before anything starts.
import { availableParallelism } from 'node:os';
import { ConfigurationError, didYouMean } from '../util/index.ts';
import type { PoolDriver, PoolDriverOptions, PoolRequest } from './request.ts';
import type { Pool } from './seam.ts';
import { withWard } from './ward.ts';

interface PoolEntry {
  readonly load: () => Promise<PoolDriver>;
  /** Slots when nobody says how many. */
  readonly slots: () => number;
  readonly fixed?: number;
  /** Its slots are processes or threads, which load the app themselves and can be replaced. */
  readonly separate?: boolean;
}

/** Tasks that wait for input and output share a core well; ten to a core keeps one busy without hoarding messages. */
const ASYNC_SLOTS_PER_CORE = 10;

const POOLS: Readonly<Record<string, PoolEntry>> = {
  async: {
    load: async () => adapted((await import('./async.ts')).open),
    slots: () => ASYNC_SLOTS_PER_CORE * availableParallelism(),
  },
  solo: { load: async () => adapted((await import('./solo.ts')).open), slots: () => 1, fixed: 1 },
  threads: {
    load: async () => separate((await import('./threads.ts')).open),
    slots: availableParallelism,
    separate: true,
  },
  prefork: {
    load: async () => separate((await import('./prefork.ts')).open),
    slots: availableParallelism,
    separate: true,
  },
};

const ALIASES: Readonly<Record<string, string>> = { gevent: 'async', eventlet: 'async', inline: 'solo', processes: 'prefork' };

/** Names of the pools of this version. */
export const poolNames: readonly string[] = Object.keys(POOLS);

type Loops = typeof import('./async.ts').open;
type Separate = typeof import('./prefork.ts').open;

/** Pools on this event loop. */
function adapted(open: Loops): PoolDriver {
  return {
    open: ({ limit, execute, ended, grace, onZombie, alone, timeouts }) =>
      open({
        limit,
        execute,
        ...(ended === undefined ? {} : { ended }),
        ...(grace === undefined ? {} : { grace }),
        ...(onZombie === undefined ? {} : { onZombie }),
        ...(alone === undefined ? {} : { alone }),
        ...(timeouts === undefined ? {} : { timeouts }),
      }),
  };
}

/** Pools whose slots load the app themselves. */
function separate(open: Separate): PoolDriver {
  return {
    open: (options) => {
      const { program, ended, noProgram } = options;
      if (program === undefined || ended === undefined)
        throw new ConfigurationError(noProgram ?? 'The pool has no program to run.');
      return open({ ...options, program, ended });
    },
  };
}

function isModule(name: string): boolean {
  return /[./\\]/.test(name);
}

/** What a pool has in any case, and of which type. */
const POOL_PARTS = {
  run: 'function',
  resize: 'function',
  info: 'function',
  limit: 'number',
  width: 'number',
  running: 'number',
  can: 'object',
} as const;

function checkPool(module: string, pool: unknown): Pool {
  const given = (typeof pool === 'object' && pool !== null ? pool : {}) as Readonly<Record<PropertyKey, unknown>>;
  const missing = Object.entries(POOL_PARTS).flatMap(([part, type]) => (typeof given[part] === type ? [] : [part]));
  if (typeof given[Symbol.asyncDispose] !== 'function') missing.push('[Symbol.asyncDispose]');
  if (missing.length === 0) return pool as Pool;
  throw new ConfigurationError(
    `What ${module} opens is no pool: it lacks ${missing.join(', ')}, or has something else there. A pool is what the type Pool of docs/guide-pools.md says.`,
  );
}

/** A pool from a module of the user. */
function moduleEntry(name: string, { load }: PoolRequest): PoolEntry {
  return {
    slots: availableParallelism,
    separate: true,
    load: async () => {
      const module = await load?.(name);
      const open = module?.open;
      if (typeof open === 'function')
        return { open: async (options) => checkPool(name, await (Reflect.apply(open, module, [options]) as unknown)) };
      throw new ConfigurationError(`${name} is no pool: its module has to export a function open(options) that returns one.`);
    },
  };
}

/** The name of the pool that is meant: that of Celery's `processes` is `prefork`. */
export function poolNameOf(name: string): string {
  return Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name;
}

function entryOf(name: string, request: PoolRequest): { readonly name: string; readonly entry: PoolEntry } {
  const real = poolNameOf(name);
  const entry = Object.hasOwn(POOLS, real) ? POOLS[real] : undefined;
  if (entry !== undefined) return { name: real, entry };
  if (isModule(name)) return { name, entry: moduleEntry(name, request) };
  // Celery's word for a pool of one's own, which it finds by a variable of the environment.
  if (name === 'custom')
    throw new ConfigurationError('A pool of your own is named by its module: -P ./my-pool.ts, not -P custom.');
  const known = poolNames.map((pool) => `'${pool}'`).join(', ');
  throw new ConfigurationError(
    `There is no pool '${name}'; known pools are ${known}, or the path of a module that exports one.${didYouMean(name, poolNames)}`,
  );
}

function slotsOf(name: string, entry: PoolEntry, asked: number | undefined): number {
  if (asked === undefined) return entry.slots();
  if (!Number.isInteger(asked) || asked < 1) {
    throw new ConfigurationError(`The concurrency must be a whole number of at least 1, not ${asked}.`);
  }
  if (entry.fixed !== undefined && asked !== entry.fixed) {
    throw new ConfigurationError(
      `The pool '${name}' has exactly ${entry.fixed} slot, so a concurrency of ${asked} cannot be kept; use the pool 'async', or leave the concurrency out.`,
    );
  }
  return asked;
}

/** What only slots that are processes or threads can keep, and the least of each. */
const SLOT_OPTIONS = { maxTasksPerChild: 1, maxMemoryPerChild: 1, spare: 0, width: 1 } as const;
/** As a worker calls them, where that is another name. */
const CALLED: Readonly<Record<string, string>> = { spare: 'spareSlots', width: 'slotConcurrency' };

function checkLimits(name: string, entry: PoolEntry, request: PoolRequest): void {
  for (const option of Object.keys(SLOT_OPTIONS) as (keyof typeof SLOT_OPTIONS)[]) {
    const value = request[option];
    if (value === undefined || (Number.isInteger(value) && value >= SLOT_OPTIONS[option])) continue;
    throw new ConfigurationError(
      `${CALLED[option] ?? option} must be a whole number of at least ${SLOT_OPTIONS[option]}, not ${value}.`,
    );
  }
  if (entry.separate === true) return;
  for (const option of Object.keys(SLOT_OPTIONS) as (keyof typeof SLOT_OPTIONS)[]) {
    const value = request[option];
    if (value === undefined || (value === 0 && option === 'spare') || (value === 1 && option === 'width')) continue;
    throw new ConfigurationError(
      `The pool '${name}' has no child processes, so it cannot keep ${option} = ${value}; use the pool 'prefork' or 'threads', or leave that limit out.`,
    );
  }
}

/** Opens the pool of that name; throws ConfigurationError for an unknown name or a limit that it cannot keep. */
export async function openPool(asked: string, request: PoolRequest): Promise<Pool> {
  const { name, entry } = entryOf(asked, request);
  checkLimits(name, entry, request);
  const { width = 1 } = request;
  const limit = slotsOf(name, entry, request.concurrency) * width;
  const driver = await entry.load();
  if (name === 'prefork' && width === 1) return driver.open({ ...request, limit });
  return withWard(request, prefork, (alone) => driver.open({ ...request, limit, ...(alone === undefined ? {} : { alone }) }));
}

async function prefork(options: PoolDriverOptions): Promise<Pool> {
  return separate((await import('./prefork.ts')).open).open(options);
}
