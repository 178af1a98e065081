// A task in hand as answers show it, with Celery's keys.
import type { Entry } from '../../consumer/index.ts';
import { isRecord } from '../../protocol/index.ts';
import { redactData, redactText } from '../../util/index.ts';
import type { CommandContext } from './seam.ts';

const shown = (text: string | undefined): string | undefined => (text === undefined ? undefined : redactText(text));

/** Positional and keyword arguments, or their texts where they cannot be read or shall not be shown. */
function argumentsOf({ original, request }: Entry, { host }: CommandContext, safe: boolean): readonly [unknown, unknown] {
  const texts = [shown(request.argsRepr), shown(request.kwargsRepr)] as const;
  if (safe) return texts;
  try {
    const body = host.parts.app.decodeBody(original);
    if (Array.isArray(body)) return [redactData(body[0] ?? []), redactData(body[1] ?? {})];
    // Protocol 1 has everything in its body.
    return isRecord(body) ? [redactData(body.args ?? []), redactData(body.kwargs ?? {})] : texts;
  } catch {
    return texts;
  }
}

/** One task. `safe`: arguments as texts. */
export function describeRequest(entry: Entry, context: CommandContext, safe = false): Readonly<Record<string, unknown>> {
  const { request, startedAt, acked, pid } = entry;
  const [args, kwargs] = argumentsOf(entry, context, safe);
  const { exchange, routingKey, priority, redelivered } = request.deliveryInfo;
  return {
    id: request.id,
    name: request.task,
    args,
    kwargs,
    type: request.task,
    hostname: request.hostname,
    time_start: startedAt ?? null,
    acknowledged: acked,
    delivery_info: { exchange, routing_key: routingKey, priority: priority ?? null, redelivered },
    worker_pid: pid ?? null,
  };
}
