import type { Command } from '../seam.ts';

/** Celery's elections can kill its own workers; ours take part in those of others, and begin none. */
export const election: Command = {
  name: 'election',
  help: 'Begin an election among workers; only Python workers do.',
  args: [{ name: 'id', required: true }, { name: 'topic', required: true }, { name: 'action' }],
  open: true,
  run: () => ({ error: 'not supported' }),
};
