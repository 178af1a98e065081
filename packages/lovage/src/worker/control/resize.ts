// More or fewer slots, by command.
import { consumerOf, poolOf } from './parts.ts';
import { type CommandContext, CommandError, Refusal } from './seam.ts';

/** Changes the pool by so many slots, each of which may run several tasks. Throws what it cannot do. */
export async function resized(context: CommandContext, command: string, by: number): Promise<void> {
  if (context.host.autoscaler !== undefined)
    throw new Refusal(`${command} is not supported with autoscale. Adjust autoscale range instead.`);
  const pool = poolOf(context);
  const limit = pool.limit + by * pool.width;
  if (limit < 1) {
    const slots = Math.ceil(pool.limit / pool.width);
    throw new CommandError(
      'ValueError',
      `The pool has ${slots} ${slots === 1 ? 'slot' : 'slots'}; ${-by} fewer would leave it with none.`,
    );
  }
  await pool.resize(limit);
  consumerOf(context).flow.resized();
}
