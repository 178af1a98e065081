// The port by which results are revoked: a command to all workers. The room app gives the one implementation, because only it has a
// way to the broker; without one, revoking says so.
import { ConfigurationError } from '../util/index.ts';

/** A command to workers (spec: remote control). */
export interface BroadcastCommand {
  /** Celery's name: `revoke`, `revoke_by_stamped_headers`. */
  readonly method: string;
  /** As they travel. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Node names; absent: all. */
  readonly destination?: readonly string[] | undefined;
  /** Collect the workers' replies. */
  readonly reply: boolean;
  /** Seconds to collect replies. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** What one worker answered, by its node name. */
export type BroadcastReply = Readonly<Record<string, unknown>>;

/** Sends commands to workers. */
export interface Broadcaster {
  /** Resolves when the command is sent; with `reply` to the answers that came in time. */
  broadcast(command: BroadcastCommand): Promise<readonly BroadcastReply[]>;
}

export interface RevokeOptions {
  /** Also stop the task if it runs already: `true` as by SIGTERM, or the name of a signal. @default false */
  readonly terminate?: boolean | `SIG${string}`;
  /** Wait for the workers' replies and resolve to them. @default false */
  readonly wait?: boolean;
  /** Seconds to wait for replies. @default 1 */
  readonly timeout?: number;
  /** Node names of the workers that are told. @default all */
  readonly destination?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Which tasks to revoke by their stamps: a task is meant when one of its stamps has one of the values. */
export type StampQuery = Readonly<Record<string, unknown>>;

/** The command that revokes tasks by id, wherever they are. */
export function revokeCommand(ids: readonly string[], options: RevokeOptions): BroadcastCommand {
  return command('revoke', { task_id: ids.length === 1 ? ids[0] : ids }, options);
}

/** The command that revokes every task with one of these stamps. */
export function revokeByStampsCommand(headers: StampQuery, options: RevokeOptions): BroadcastCommand {
  if (Object.keys(headers).length === 0) throw new ConfigurationError('revokeByStampedHeaders needs at least one stamp.');
  return command('revoke_by_stamped_headers', { headers }, options);
}

function command(method: string, subject: Readonly<Record<string, unknown>>, options: RevokeOptions): BroadcastCommand {
  const { terminate = false, wait = false, timeout = 1, destination, signal } = options;
  const kill = typeof terminate === 'string' ? terminate : 'SIGTERM';
  return {
    method,
    arguments: { ...subject, terminate: terminate !== false, signal: kill },
    destination,
    reply: wait,
    timeout,
    signal,
  };
}
