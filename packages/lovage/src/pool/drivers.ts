// Pools by name, loaded when a worker asks for one. What a pool cannot keep is refused here, before anything starts.
import { availableParallelism } from 'node:os';
import { ConfigurationError, didYouMean } from '../util/index.ts';
import type { Pool } from './seam.ts';
import type { EndOutside, Execute } from './slots.ts';

interface PoolDriver {
  open(options: {
    readonly limit: number;
    readonly execute: Execute;
    readonly ended?: EndOutside;
    readonly grace?: number;
    readonly onZombie?: (zombies: number) => void;
  }): Pool;
}

interface PoolEntry {
  readonly load: () => Promise<PoolDriver>;
  /** Slots when nobody says how many. */
  readonly slots: () => number;
  readonly fixed?: number;
}

/** Tasks that wait for input and output share a core well; ten to a core keeps one busy without hoarding messages. */
const ASYNC_SLOTS_PER_CORE = 10;

const POOLS: Readonly<Record<string, PoolEntry>> = {
  async: { load: () => import('./async.ts'), slots: () => ASYNC_SLOTS_PER_CORE * availableParallelism() },
  solo: { load: () => import('./solo.ts'), slots: () => 1, fixed: 1 },
};

const ALIASES: Readonly<Record<string, string>> = { gevent: 'async', eventlet: 'async', inline: 'solo', processes: 'prefork' };

/** Pools that this version knows by name but does not bring. */
const LATER: ReadonlySet<string> = new Set(['prefork', 'threads']);

/** What a worker asks of a pool. */
export interface PoolRequest {
  readonly execute: Execute;
  readonly ended?: EndOutside | undefined;
  readonly concurrency?: number | undefined;
  readonly maxTasksPerChild?: number | undefined;
  readonly maxMemoryPerChild?: number | undefined;
  readonly grace?: number | undefined;
  /** Told how many bodies run on that nobody can stop, whenever there is one more. */
  readonly onZombie?: ((zombies: number) => void) | undefined;
}

/** Names of the pools of this version. */
export const poolNames: readonly string[] = Object.keys(POOLS);

function entryOf(name: string): { readonly name: string; readonly entry: PoolEntry } {
  const real = Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name;
  const entry = Object.hasOwn(POOLS, real) ? POOLS[real] : undefined;
  if (entry !== undefined) return { name: real, entry };
  const known = poolNames.map((pool) => `'${pool}'`).join(', ');
  if (LATER.has(real)) {
    throw new ConfigurationError(`The pool '${name}' comes with a later version of Lovage; use one of ${known}.`);
  }
  throw new ConfigurationError(`There is no pool '${name}'; known pools are ${known}.${didYouMean(name, poolNames)}`);
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

/** Opens the pool of that name; throws ConfigurationError for an unknown name or a limit that it cannot keep. */
export async function openPool(asked: string, request: PoolRequest): Promise<Pool> {
  const { name, entry } = entryOf(asked);
  for (const limit of ['maxTasksPerChild', 'maxMemoryPerChild'] as const) {
    if (request[limit] === undefined) continue;
    throw new ConfigurationError(
      `The pool '${name}' has no child processes, so it cannot keep ${limit} = ${request[limit]}; leave that limit out.`,
    );
  }
  const driver = await entry.load();
  const limit = slotsOf(name, entry, request.concurrency);
  const { execute, ended, grace, onZombie } = request;
  return driver.open({
    limit,
    execute,
    ...(ended === undefined ? {} : { ended }),
    ...(grace === undefined ? {} : { grace }),
    ...(onZombie === undefined ? {} : { onZombie }),
  });
}
