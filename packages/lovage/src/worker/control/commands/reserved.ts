import { describeRequest } from '../describe.ts';
import { consumerOf } from '../parts.ts';
import type { Command } from '../seam.ts';

export const reserved: Command = {
  name: 'reserved',
  alias: 'dump_reserved',
  kind: 'inspect',
  help: 'List the tasks in hand that have not started. Those that wait for their time are scheduled.',
  open: true,
  run: (context) =>
    [...consumerOf(context).flow.requests]
      .filter(({ state }) => state === 'received' || state === 'ready')
      .map((entry) => describeRequest(entry, context)),
};
