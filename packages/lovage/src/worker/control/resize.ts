// More or fewer slots, by command.
import { consumerOf, poolOf } from './parts.ts';
import { type CommandContext, CommandError, Refusal } from './seam.ts';

/** Changes the pool by so many slots. Throws what it cannot do. */
export async function resized(context: CommandContext, command: string, by: number): Promise<void> {
  if (context.host.autoscaler !== undefined)
    throw new Refusal(`${command} is not supported with autoscale. Adjust autoscale range instead.`);
  const pool = poolOf(context);
  if (pool.limit + by < 1)
    throw new CommandError('ValueError', `The pool has ${pool.limit} slots; ${-by} fewer would leave it with none.`);
  await pool.resize(pool.limit + by);
  consumerOf(context).flow.resized();
}
