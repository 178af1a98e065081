import { describeRequest } from '../describe.ts';
import { consumerOf } from '../parts.ts';
import type { Command } from '../seam.ts';
import { textsOf } from '../words.ts';

const WHERE: Readonly<Record<string, string>> = {
  running: 'active',
  settling: 'active',
  ready: 'reserved',
  received: 'reserved',
};

export const queryTask: Command = {
  name: 'query_task',
  kind: 'inspect',
  help: 'Show where tasks are, by their ids.',
  args: [{ name: 'ids', required: true }],
  variadic: 'ids',
  open: true,
  run: (context, { ids }) => {
    const wanted = new Set(textsOf(ids, 'ids'));
    const found = [...consumerOf(context).flow.requests].filter(({ request }) => wanted.has(request.id));
    return Object.fromEntries(
      found.map((entry) => [entry.request.id, [WHERE[entry.state] ?? 'ready', describeRequest(entry, context)]]),
    );
  },
};
