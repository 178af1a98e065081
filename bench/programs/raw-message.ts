// What the raw loops on Redis send.
import { randomUUID } from 'node:crypto';
import { ARGUMENTS } from './protocol.ts';

const id = (): string => randomUUID({ disableEntropyCache: false });

/** A message of Celery's shape and size, from a template: only its ids and body change. */
export function message(): string {
  const task = id();
  const body = Buffer.from(
    JSON.stringify([ARGUMENTS, {}, { callbacks: null, errbacks: null, chain: null, chord: null }]),
  ).toString('base64');
  return `{"body": "${body}", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "js", "task": "bench.noop", "id": "${task}", "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "${task}", "parent_id": null, "argsrepr": "('order-000001', {'amount': 12.5, 'currency': 'EUR'})", "kwargsrepr": "{}", "origin": "bench@host", "ignore_result": true, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}}, "properties": {"correlation_id": "${task}", "reply_to": "${task}", "delivery_mode": 2, "delivery_info": {"exchange": "", "routing_key": "bench"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "${id()}"}}`;
}
