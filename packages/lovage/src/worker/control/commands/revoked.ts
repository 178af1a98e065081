import { consumerOf } from '../parts.ts';
import type { Command } from '../seam.ts';

export const revoked: Command = {
  name: 'revoked',
  alias: 'dump_revoked',
  kind: 'inspect',
  help: 'List the ids that must not run.',
  open: true,
  run: (context) => consumerOf(context).flow.revoked.ids(),
};
