import { formatTime } from '../../../protocol/index.ts';
import { describeRequest } from '../describe.ts';
import { consumerOf } from '../parts.ts';
import type { Command } from '../seam.ts';

/** The priority of Celery's timer for an eta. */
const PRIORITY = 6;

export const scheduled: Command = {
  name: 'scheduled',
  alias: 'dump_schedule',
  kind: 'inspect',
  help: 'List the tasks in hand that wait for their eta. Those that are due later wait in the broker.',
  open: true,
  run: (context) =>
    [...consumerOf(context).flow.requests]
      .filter(({ heldFor }) => heldFor === 'eta')
      .map((entry) => ({
        eta: formatTime(entry.request.etaAt ?? 0),
        priority: PRIORITY,
        request: describeRequest(entry, context),
      })),
};
