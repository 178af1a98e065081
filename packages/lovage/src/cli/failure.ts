// What a person reads when something goes wrong: one line, and for a mistake in a module of their own the place in it.
import { fileURLToPath } from 'node:url';
import { debuglog } from 'node:util';
import {
  ArgumentsError,
  ConfigurationError,
  isRefusedLogin,
  LovageError,
  ResultTimeoutError,
  redactText,
} from '../util/index.ts';
import { PidFileHeldError } from './daemon/pid-file.ts';
import { EXIT } from './define.ts';
import { printable } from './output.ts';

/** `NODE_DEBUG=lovage` shows the stack of everything that is reported here. */
const debug = debuglog('lovage');
const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));
const MAX_FRAMES = 5;

/** A module of the user failed while it was loaded. */
export class ModuleFailure extends Error {
  /** Frames of the user's own code, nearest first. */
  readonly frames: readonly string[];
  constructor(what: string, cause: unknown) {
    super(`${what} cannot be loaded: ${whyNotLoaded(cause)}`, { cause });
    this.frames = framesOf(cause);
  }
}

function shorten(path: string): string {
  const plain = path.replaceAll(/file:\/\/[^\s)]+/g, (url) => plainPath(url));
  return plain.replaceAll(`${process.cwd()}/`, '');
}

function plainPath(url: string): string {
  const [, file = url, position = ''] = /^(.*?)((?::\d+)*)$/.exec(url) ?? [];
  try {
    return fileURLToPath(file) + position;
  } catch {
    return url;
  }
}

function framesOf(error: unknown): readonly string[] {
  // A module that is not found is named already, and the loader's own frames tell no more.
  if (!(error instanceof Error) || /Require stack:/.test(error.message)) return [];
  const lines = (error.stack ?? '').split('\n');
  // Node puts the place of a syntax error above the stack.
  const [, file, line] = error instanceof SyntaxError ? (/^(.+):(\d+)$/.exec(lines[0] ?? '') ?? []) : [];
  if (file !== undefined) return [`    at ${shorten(file)}:${line}`, ...lines.slice(1, 3).filter((text) => text.trim() !== '')];
  const frames = lines.filter((text) => /^\s+at /.test(text)).map(shorten);
  const own = frames.filter((frame) => !/node:|[/\\]node_modules[/\\]/.test(frame) && !frame.includes(PACKAGE));
  // Under the working directory the package's own folder may have become relative.
  return own.filter((frame) => !frame.includes(shorten(PACKAGE))).slice(0, MAX_FRAMES);
}

function whyNotLoaded(error: unknown): string {
  if (!(error instanceof Error)) return `it threw ${printable(String(error))}`;
  const [first = ''] = error.message.split('\n');
  if (error instanceof LovageError) return first;
  const name = error.name === 'Error' || error.message.startsWith(error.name) ? '' : `${error.name}: `;
  const [, from] = /Require stack:\n- (.+)/.exec(error.message) ?? [];
  return `${name}${shorten(first)}${from === undefined ? '' : ` (imported by ${shorten(from)})`}`;
}

/** For the eyes of a person: no secret, and nothing that drives a terminal. */
const shown = (text: string): string => printable(redactText(text));

/** The lines for a person; the first says it all. */
export function describeError(error: unknown): readonly string[] {
  debug('%s', redactText(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  if (error instanceof ModuleFailure) return [shown(error.message), ...error.frames.map((frame) => shown(frame))];
  if (error instanceof LovageError || error instanceof PidFileHeldError) {
    // A text and a mark below the place in it stay what they are.
    const [picture = '', text, mark] = /\n(.+)\n( *\^)$/.exec(error.message) ?? [];
    const words = shown(error.message.slice(0, error.message.length - picture.length).replaceAll(/\s*\n\s*/g, ' '));
    return text === undefined || mark === undefined ? [words] : [words, shown(text), mark];
  }
  if (error instanceof Error) {
    // The line begins with "Error:" by itself.
    const name = error.name === 'Error' ? '' : `${error.name}: `;
    return [shown(`${name}${error.message.replaceAll(/\s*\n\s*/g, ' ')}`)];
  }
  return [shown(String(error))];
}

/** 2 for what the user can put right on the command line, 69 for what may come back by itself, else 1. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ModuleFailure || error instanceof ConfigurationError || error instanceof ArgumentsError) return EXIT.usage;
  if (error instanceof PidFileHeldError) return EXIT.held;
  if (error instanceof ResultTimeoutError) return EXIT.failure;
  return error instanceof LovageError && error.transient && !isRefusedLogin(error) ? EXIT.unavailable : EXIT.failure;
}

/** The stable code of an error, for programs. */
export function codeOf(error: unknown): string | undefined {
  const source = error instanceof ModuleFailure ? error.cause : error;
  return source instanceof LovageError ? source.code : undefined;
}
