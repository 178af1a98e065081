// What a worker asks of a pool, and what the module of a pool gives: the seam of drivers.ts, and of pools that users bring.
import type { OutputStream, SlotProgram } from './link.ts';
import type { Pool } from './seam.ts';
import type { EndOutside, Execute } from './slots.ts';

/** A line that something in a slot wrote, and the task that alone was running there. */
export interface SlotLine {
  readonly slot: string;
  readonly stream: OutputStream;
  readonly text: string;
  readonly task: { readonly name: string; readonly id: string } | undefined;
}

/** What a worker asks of a pool. */
export interface PoolRequest {
  readonly execute: Execute;
  readonly ended?: EndOutside | undefined;
  /** What runs in slots that are processes or threads. Where there is none, `noProgram` says why, with the cure. */
  readonly program?: SlotProgram | undefined;
  readonly noProgram?: string | undefined;
  readonly concurrency?: number | undefined;
  /** Jobs that share a slot of prefork or threads. @default 1 */
  readonly width?: number | undefined;
  /** Replace a slot of prefork or threads that was given so many jobs. */
  readonly maxTasksPerChild?: number | undefined;
  /** Replace a slot of prefork or threads that uses more than so many KiB, after its job. */
  readonly maxMemoryPerChild?: number | undefined;
  /** Slots of prefork or threads that are up beyond those that are needed, so that none is missed while another starts. @default 0 */
  readonly spare?: number | undefined;
  /** Seconds that a task gets to heed that it has to stop, before its slot is ended or given up. @default 5 */
  readonly grace?: number | undefined;
  /** Seconds that a slot may take to start. @default 30 */
  readonly startTimeout?: number | undefined;
  /** For statistics: soft and hard limit of tasks that have none of their own. */
  readonly timeouts?: readonly [soft: number, hard: number] | undefined;
  /** Told how many bodies run on that nobody can stop, whenever there is one more. */
  readonly onZombie?: ((zombies: number) => void) | undefined;
  /** Before a slot is started. */
  readonly beforeStart?: (() => void) | undefined;
  readonly onLine?: ((line: SlotLine) => void) | undefined;
  /** A slot is ready, and knows these tasks. */
  readonly onUp?: ((slot: string, tasks: readonly string[]) => void) | undefined;
  /** The pool can start no slots any more. */
  readonly onBroken?: ((error: Error) => void) | undefined;
  /** Imports a pool that a module brings. */
  readonly load?: ((specifier: string) => Promise<Readonly<Record<string, unknown>>>) | undefined;
}

/** What the module of a pool is given: all of the worker's request, and how many jobs may run at once. */
export interface PoolDriverOptions extends PoolRequest {
  readonly limit: number;
  readonly alone?: Pool['alone'];
}

/** The module of a pool. One of your own exports `open` as well: `-P ./my-pool.ts`. */
export interface PoolDriver {
  open(options: PoolDriverOptions): Pool | Promise<Pool>;
}
