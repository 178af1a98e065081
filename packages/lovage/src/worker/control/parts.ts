// The parts of a worker that commands need; a command that comes before they are there says so.
import type { Consumer } from '../../consumer/index.ts';
import type { Pool } from '../../pool/index.ts';
import { type CommandContext, CommandError } from './seam.ts';

export function consumerOf({ host }: CommandContext): Consumer {
  if (host.consumer === undefined) throw new CommandError('RuntimeError', 'The worker is still starting.');
  return host.consumer;
}

export function poolOf({ host }: CommandContext): Pool {
  if (host.pool === undefined) throw new CommandError('RuntimeError', 'The worker is still starting.');
  return host.pool;
}
