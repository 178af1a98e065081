import { Redis } from 'ioredis';
import { type Options, serve, timeGets, ARGUMENTS } from './protocol.ts';
import { randomUUID } from 'node:crypto';
function message(queue: string): [string, string] { const task = randomUUID();
  const body = Buffer.from(JSON.stringify([ARGUMENTS, {}, { callbacks: null, errbacks: null, chain: null, chord: null }])).toString('base64');
  return [task, `{"body": "${body}", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "js", "task": "bench.noop", "id": "${task}", "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "${task}", "parent_id": null, "argsrepr": "('order-000001', {'amount': 12.5, 'currency': 'EUR'})", "kwargsrepr": "{}", "origin": "bench@host", "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}}, "properties": {"correlation_id": "${task}", "reply_to": "${task}", "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": "${queue}"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "${task}"}}`]; }
const keyOf = (task: string): string => `celery-task-meta-${task}`;
const resultOf = (task: string): string => `{"status": "SUCCESS", "result": 1, "traceback": null, "children": [], "date_done": "2026-01-01T00:00:00.000000+00:00", "task_id": "${task}"}`;
await serve({
  worker: async (options: Options, answer) => {
    const worker = new Redis(options.url), store = new Redis(options.url);
    await worker.ping(); answer({ ready: true });
    for (;;) { const r = await worker.brpop(options.queue, 1); if (r === null) continue;
      const { headers } = JSON.parse(r[1]) as { headers: { id: string } }; const key = keyOf(headers.id);
      void store.multi().setex(key, 86_400, resultOf(headers.id)).publish(key, resultOf(headers.id)).exec(); }
  },
  get: async (options, answer) => {
    const client = new Redis(options.url), listener = new Redis(options.url);
    const waiting = new Map<string, () => void>();
    await listener.psubscribe('celery-task-meta-*');
    listener.on('pmessage', (_p, channel: string) => waiting.get(channel)?.());
    answer(await timeGets(options.count, () => new Promise<void>((resolve) => { const [id, text] = message(options.queue); waiting.set(keyOf(id), resolve); void client.lpush(options.queue, text); })));
  },
});
