// The pool prefork with slots that do nothing with a job but to answer it. Also the program of such a slot.
import { Socket } from 'node:net';
import {
  FRAME,
  FRAMES_FD,
  FrameReader,
  FrameWriter,
  Inside,
  openPool as open,
  type Pool,
  type RunOptions,
  writingTo,
} from '../../packages/lovage/src/pool/index.ts';
import type { Job, Outcome } from '../../packages/lovage/src/task/index.ts';
import { jobOf } from '../../packages/lovage/tests/support/jobs.ts';

export type { Job, Outcome };

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const BODY = encode('[["order-000001", {"amount": 12.5, "currency": "EUR"}], {}, {}]');

export const OUTCOME: Outcome = {
  state: 'SUCCESS',
  runtime: 0.001,
  repr: '1',
  next: [],
  results: [
    {
      id: '5c1f8b1e-7a3b-4b44-9c39-0d6b7b1c9f11',
      state: 'SUCCESS',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      attempt: 1,
      body: encode(
        '{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "task_id": "5c1f8b1e-7a3b-4b44-9c39-0d6b7b1c9f11"}',
      ),
    },
  ],
};

/** A usual one. */
export const JOB: Job = jobOf('5c1f8b1e-7a3b-4b44-9c39-0d6b7b1c9f11', { body: BODY }, { task: 'shop.resize' });

export interface HandoverPool {
  run(job: Job, options: RunOptions): Promise<Outcome>;
  close(): Promise<void>;
}

/** One process that takes so many jobs at once. */
export async function openPool(width: number): Promise<HandoverPool> {
  const pool: Pool = await open('prefork', {
    concurrency: 1,
    width,
    execute: () => OUTCOME,
    ended: async () => OUTCOME,
    program: { process: new URL(import.meta.url), thread: new URL(import.meta.url), data: {} },
  });
  return {
    run: async (job, options) => pool.run(job, options),
    close: async () => pool[Symbol.asyncDispose](),
  };
}

function slot(): void {
  const pipe = new Socket({ fd: FRAMES_FD, readable: true, writable: true });
  const writer = new FrameWriter(writingTo(pipe));
  const send: FrameWriter['send'] = (...frame) => writer.send(...frame);
  const inside = new Inside({
    execute: (_, options) => {
      options.onStart?.({ pid: process.pid, name: 'slot' });
      return OUTCOME;
    },
    send,
    flush: () => writer.flush(),
    place: { pid: process.pid, name: 'slot' },
    flags: new Int32Array(new SharedArrayBuffer(4096)),
    leave: () => process.exit(0),
  });
  const reader = new FrameReader((frame) => (frame.type === FRAME.init ? send(FRAME.up, 0, '{}') : inside.receive(frame)));
  pipe.on('data', (chunk: Buffer) => reader.push(chunk));
  pipe.on('close', () => process.exit(0));
}

if (process.env.LOVAGE_SLOT !== undefined) slot();
