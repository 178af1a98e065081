// The least that a worker with two processes can do on Redis with the same client: it moves messages from the queue into a list of its own,
// hands each to one of two children, which has one more at hand, and takes it off the list when the child has hashed. Nothing of it is safe.
import { type ChildProcess, spawn } from 'node:child_process';
import { Redis } from 'ioredis';
import { hash } from './hashing.ts';
import { counter, serve, timeCalls } from './protocol.ts';
import { message } from './raw-message.ts';

/** Lines of a stream. */
function lines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) onLine(part);
  });
}

/** Hashes for each line, and answers with one. */
function serveAsChild(): void {
  lines(process.stdin, (id) => process.stdout.write(`${JSON.stringify({ id, result: hash('secret') })}\n`));
}

/** Settles one message and takes the next. */
const TURN = `redis.call('LREM', KEYS[2], 1, ARGV[1])
return redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'LEFT')`;

interface Slot {
  readonly child: ChildProcess;
  /** What the child has, the first of it under way. */
  readonly held: string[];
}

function openSlot(onEnd: (slot: Slot) => void): Slot {
  const child = spawn(process.execPath, [import.meta.filename, 'child'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const slot: Slot = { child, held: [] };
  lines(child.stdout as NodeJS.ReadableStream, (line) => {
    JSON.parse(line);
    onEnd(slot);
  });
  return slot;
}

if (process.argv[2] === 'child') serveAsChild();
else {
  await serve({
    enqueue: async (options, answer) => {
      const redis = new Redis(options.url);
      answer({ perSecond: await timeCalls(options, () => redis.lpush(options.queue, message())) });
    },
    worker: async ({ url, queue, count, concurrency = 2 }, answer) => {
      const redis = new Redis(url);
      await redis.ping();
      answer({ ready: true });
      const ran = counter(count, answer);
      const turn = async (slot: Slot, ended: string): Promise<void> => {
        const next = (await redis.eval(TURN, 2, queue, 'held', ended)) as string | null;
        if (next === null) return;
        const { headers } = JSON.parse(next) as { headers: { id: string } };
        slot.held.push(next);
        slot.child.stdin?.write(`${headers.id}\n`);
      };
      const end = (slot: Slot): void => {
        ran();
        void turn(slot, slot.held.shift() ?? '');
      };
      for (let index = 0; index < concurrency; index++) {
        const slot = openSlot(end);
        await turn(slot, '');
        await turn(slot, '');
      }
    },
  });
}
