// Where the log of a Redis that died ended. With `appendfsync everysec` Redis holds its writes back while an fsync is under way (up to two
// seconds), answers all the same, and forgets them when it is killed. The log is one sequence and a script in it is whole, so what is
// forgotten is all that came after one moment: publish, take, result and ack together. That moment is found by writing numbers all along.
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { PublishLine, RunLine } from './ledger.ts';

const KEY = 'faults:log-end';
const EVERY_MS = 5;
/** From the line of an end until its result and ack are sent (ms), on a machine with more work than cores. */
const SETTLED_MS = 500;

/** One death of a server with a log, in epoch milliseconds. */
export interface LogEnd {
  /** When the last write that it still knows of was sent: what was answered before is known too. */
  readonly known: number;
  /** When it had died: what is answered later, its successor answers. */
  readonly gone: number;
}

export interface LogWitness extends AsyncDisposable {
  /** Once the server is up again: when the last number was sent that it still knows. */
  known(): Promise<number>;
}

/** Writes numbers until the server dies. A new one for each life. */
export function watchLog(url: string): LogWitness {
  const sent: number[] = [Date.now()];
  let isOver = false;
  const line = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  line.on('error', () => undefined);
  const writing = (async () => {
    await line.set(KEY, 0);
    while (!isOver) {
      const number = sent.push(Date.now()) - 1;
      await line.set(KEY, number);
      await delay(EVERY_MS);
    }
  })().catch(() => undefined); // That is the death.
  return {
    known: async () => {
      await writing;
      const reader = new Redis(url);
      try {
        return sent[Number(await reader.get(KEY))] ?? 0;
      } finally {
        reader.disconnect();
      }
    },
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      line.disconnect();
      await writing;
    },
  };
}

/**
 * May everything about this task be forgotten? Only if its publish was answered by the server that died, after the last write that is
 * known. An older one is known, so an end of it that is not must be run again; one that was answered later went to the next server.
 */
export function mayBeForgotten(lines: readonly PublishLine[], { known, gone }: LogEnd): boolean {
  const tried = lines.find(({ mark }) => mark === 'try');
  const answered = lines.find(({ mark }) => mark === 'ok');
  if (tried === undefined || tried.time > gone) return false;
  return answered === undefined || (answered.time >= known && answered.time <= gone);
}

/** May its result and its ack be forgotten, though its publish is known? Then it runs again, and may return something else. */
export function endMayBeForgotten(lines: readonly RunLine[], { known, gone }: LogEnd): boolean {
  return lines.some(({ what, time }) => what === 'end' && time >= known - SETTLED_MS && time <= gone);
}
