// BullMQ as far as the fault runs use it. It is installed with the bench, not with the workspace, so its own types may be absent.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const BENCH = resolve(import.meta.dirname, '../../../../../bench');

interface Job {
  readonly id: string;
  readonly name: string;
  readonly data: readonly unknown[];
  readonly attemptsStarted: number;
}

interface Part {
  on(event: 'error', listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface JobQueue extends Part {
  add(name: string, data: readonly unknown[], options: { readonly jobId: string }): Promise<unknown>;
}

interface Bullmq {
  readonly Queue: new (name: string, options: object) => JobQueue;
  readonly Worker: new (name: string, work: (job: Job) => Promise<unknown>, options: object) => Part;
}

/** `npm ci --prefix bench` has been run. */
export const hasBullmq = (): boolean => existsSync(join(BENCH, 'node_modules/bullmq'));

export function loadBullmq(): Bullmq {
  return createRequire(join(BENCH, 'package.json'))('bullmq') as Bullmq;
}
