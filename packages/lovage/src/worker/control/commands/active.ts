import { describeRequest } from '../describe.ts';
import { consumerOf } from '../parts.ts';
import type { Command } from '../seam.ts';

export const active: Command = {
  name: 'active',
  alias: 'dump_active',
  kind: 'inspect',
  help: 'List the tasks that run.',
  args: [{ name: 'safe', type: 'boolean' }],
  open: true,
  run: (context, { safe }) =>
    [...consumerOf(context).flow.requests]
      .filter(({ state }) => state === 'running')
      .map((entry) => describeRequest(entry, context, safe === true)),
};
