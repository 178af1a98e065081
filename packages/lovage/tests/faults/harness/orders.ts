// What a child process is told at its start, in the environment variable FAULT_ORDERS, and how a producer is told to send. Programs of
// peers (Celery, BullMQ) read the same.
import type { SettingsInput } from '../../../src/index.ts';

export interface Orders {
  /** Folder of the ledger. */
  readonly folder: string;
  /** Name of the node; also of a producer. */
  readonly name: string;
  readonly settings: SettingsInput;
  readonly concurrency?: number;
  readonly pool?: string;
  /** A module whose default export defines tasks of its own: (app, orders) => void. */
  readonly tasks?: string;
}

/** What a producer shall send; it repeats what was not confirmed, under the same id, until it is. */
export interface Load {
  /** Ids are `<prefix>-<number>`. */
  readonly prefix: string;
  readonly count: number;
  readonly perSecond: number;
  /** The task that is called. @default 'fault.work' */
  readonly task?: string;
  /** Its arguments: `fault.work` sleeps for so many milliseconds, `fault.block` computes for as long. @default [5] */
  readonly args?: readonly unknown[];
  /** Seconds until it is due. */
  readonly countdown?: number;
  /** Each is a chain of so many steps of `task`, whose ids are `<prefix>-<number>.<step>`. @default no chain */
  readonly steps?: number;
}

/** See app.ts. */
export const BREAK_LOADS = 'break-loads';

export function readOrders(): Orders {
  return JSON.parse(process.env.FAULT_ORDERS ?? '{}') as Orders;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
