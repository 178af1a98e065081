// The least that a queue can do on Redis with the same client: the limit that rows on Redis are held against.
import { Redis } from 'ioredis';
import { counter, type Options, serve, timeCalls, timeGets } from './protocol.ts';
import { message } from './raw-message.ts';

/** Calls of one turn become one LPUSH. */
function joined(redis: Redis, queue: string): () => Promise<unknown> {
  let waiting: string[] = [];
  let flush: Promise<unknown> | undefined;
  return () => {
    waiting.push(message());
    flush ??= Promise.resolve().then(() => {
      const values = waiting;
      waiting = [];
      flush = undefined;
      return redis.lpush(queue, ...values);
    });
    return flush;
  };
}

/** Deletes the batch before the last one and moves the next into a list of its own: late acknowledgement, by batches. */
const TAKE = `redis.call('DEL', KEYS[3])
local batch = redis.call('RPOP', KEYS[1], ARGV[1])
if batch then redis.call('RPUSH', KEYS[2], unpack(batch)) end
return batch`;

/** Stores a result for each id and tells its waiter, then takes as above. */
const STORE_AND_TAKE = `for index = 2, #ARGV, 2 do
  redis.call('SETEX', ARGV[index], 86400, ARGV[index + 1])
  redis.call('PUBLISH', ARGV[index], ARGV[index + 1])
end
${TAKE}`;

const keyOf = (task: string): string => `celery-task-meta-${task}`;
const resultOf = (task: string): string =>
  `{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "date_done": "2026-01-01T00:00:00.000000+00:00", "task_id": "${task}"}`;

await serve({
  enqueue: async (options, answer) => {
    const redis = new Redis(options.url);
    answer({ perSecond: await timeCalls(options, joined(redis, options.queue)) });
  },
  worker: async (options, answer) => {
    const redis = new Redis(options.url);
    await redis.ping();
    answer({ ready: true });
    const ran = counter(options.count, answer);
    let taken = 0;
    const loop = async (slot: number): Promise<void> => {
      let done: string[] = [];
      for (let turn = 0; ; turn++) {
        const lists = [options.queue, `held-${slot}-${turn % 2}`, `held-${slot}-${(turn + 1) % 2}`];
        const writes = options.results ? done.flatMap((task) => [keyOf(task), resultOf(task)]) : [];
        const batch = (await redis.eval(options.results ? STORE_AND_TAKE : TAKE, 3, ...lists, 64, ...writes)) as string[] | null;
        if (batch === null) return;
        done = [];
        for (const text of batch) {
          const { headers, body } = JSON.parse(text) as { headers: { id: string }; body: string };
          JSON.parse(Buffer.from(body, 'base64').toString());
          done.push(headers.id);
          ran();
        }
        taken += batch.length;
      }
    };
    while (taken < 2 * options.count) await Promise.all([loop(0), loop(1)]);
  },
  get: async (options: Options, answer) => {
    const [client, worker, store, listener] = Array.from({ length: 4 }, () => new Redis(options.url)) as [
      Redis,
      Redis,
      Redis,
      Redis,
    ];
    const waiting = new Map<string, () => void>();
    await listener.psubscribe('celery-task-meta-*');
    listener.on('pmessage', (_pattern, channel: string) => waiting.get(channel)?.());
    void (async () => {
      for (;;) {
        const [, text] = (await worker.brpop(options.queue, 0)) ?? [];
        const { headers } = JSON.parse(text ?? '') as { headers: { id: string } };
        const key = keyOf(headers.id);
        void store.multi().setex(key, 86_400, resultOf(headers.id)).publish(key, resultOf(headers.id)).exec();
      }
    })();
    const get = (): Promise<void> =>
      new Promise((resolve) => {
        const text = message();
        waiting.set(keyOf((JSON.parse(text) as { headers: { id: string } }).headers.id), resolve);
        void client.lpush(options.queue, text);
      });
    answer(await timeGets(options.count, get));
  },
  /** An empty program that connects: the floor of every start. */
  connect: async (options, answer) => {
    await new Redis(options.url).ping();
    answer({ ready: true });
  },
});
