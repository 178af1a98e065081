// What a control command is. One file for each under commands/; index.ts lists them. The room app lets programs add their own.
import type { CommandShape } from '../../app/index.ts';
import { pythonException } from '../../protocol/index.ts';
import type { WorkerHost } from '../host.ts';
import type { ControlPort } from './port.ts';

/** What a command works on. */
export interface CommandContext {
  readonly host: WorkerHost;
  readonly port: ControlPort;
  /** Was it said to all workers, and not to some by their names? */
  readonly isForAll: boolean;
  /** Aborts when the command has had its time, or the worker ends. */
  readonly signal: AbortSignal;
  /** To be done once the answer is on its way. */
  afterwards(action: () => void): void;
}

/** The arguments of one call, checked against the command's own list. */
export type CommandArguments = Readonly<Record<string, unknown>>;

/** One command. What `run` returns is the answer, as it is; null where there is nothing to say. */
export interface Command extends CommandShape {
  readonly name: string;
  /** Arguments that it does not know are no mistake, as for Celery's commands that end in `**kwargs`. @default false */
  readonly open?: boolean;
  run(context: CommandContext, args: CommandArguments): unknown;
}

/** May it be run here? The setting remoteControl says so. */
export function isAllowed(
  { name, kind = 'control' }: Pick<Command, 'name' | 'kind'>,
  allowed: CommandContext['port']['settings']['remoteControl'],
): boolean {
  if (allowed === 'all') return true;
  return allowed === 'inspect' ? kind === 'inspect' : allowed.includes(name);
}

/** Celery's answer to a command that failed is the repr of Python's exception; its name and message are part of the wire. */
export class CommandError extends Error {
  readonly type: string;

  constructor(
    type: 'ValueError' | 'TypeError' | 'KeyError' | 'AttributeError' | 'RuntimeError' | 'ImportError',
    message: string,
  ) {
    super(message);
    this.type = type;
  }
}

/** An error whose text is the whole answer. */
export class Refusal extends Error {}

/** An answer that says why not. */
export interface ErrorReply {
  readonly error: string;
}

/** The answer to a command that threw. */
export function errorReply(error: unknown): ErrorReply {
  if (error instanceof Refusal) return { error: error.message };
  if (error instanceof CommandError) return { error: pythonException(error.type, error.message) };
  if (error instanceof RangeError) return { error: pythonException('ValueError', error.message) };
  if (error instanceof Error) return { error: pythonException(error.name, error.message) };
  return { error: pythonException('Error', String(error)) };
}

export const ok = (text: string): { readonly ok: string } => ({ ok: text });
