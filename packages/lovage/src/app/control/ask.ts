// Whom a command is for. Used by questions and by commands that change something.
import type { ControlReply, Matcher } from '../../protocol/index.ts';

/** Whom a command is for, and how long answers are waited for. */
export interface AskOptions {
  /** Node names. @default all */
  readonly destination?: readonly string[];
  /** Only nodes whose name it matches. */
  readonly pattern?: string;
  /** How the pattern is read: as shells do, or as a regular expression. @default 'glob' */
  readonly matcher?: Matcher;
  /** Seconds without a further answer after which the wait is over. @default 1 */
  readonly timeout?: number;
  /** Ends the wait after so many answers. @default as many as there are destinations */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** Told of each answer as it comes. */
  readonly onReply?: (reply: ControlReply) => void;
}
