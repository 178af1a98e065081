// Commands that are sent by the thousand, as the client library wants them and no more: their text written once, their answer taken as
// it came. The library's own command costs several times as much, and a chain of dead ones keeps every answer alive from one garbage
// collection of the young to the next (half of what a busy worker's collector had to copy). Called by redis-client.ts.
import type { Command, Redis } from 'ioredis';

export type RedisArg = string | Buffer | number;

/** Who waits for the answer: strings in it are Buffers, and refusals are the server's ReplyError. */
export interface RedisAnswer {
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

const UNUSED: Promise<void> = Promise.resolve();
const NO_ARGS: readonly never[] = [];

/** The part of the library's command that its client uses when it sends one and takes its answer. */
class PlainCommand {
  readonly name: string;
  readonly args: readonly never[] = NO_ARGS;
  readonly promise: Promise<void> = UNUSED;
  /** Told to nobody who traces the library: it would have to be written twice. */
  readonly isTraced: boolean = true;
  readonly #text: string | Buffer;
  readonly #answer: RedisAnswer;

  constructor(name: string, text: string | Buffer, answer: RedisAnswer) {
    this.name = name;
    this.#text = text;
    this.#answer = answer;
  }

  setReplyContext(): void {
    // What is asked here is answered alike in both versions of the protocol.
  }

  toWritable(): string | Buffer {
    return this.#text;
  }

  resolve(reply: unknown): void {
    this.#answer.resolve(reply);
  }

  reject(error: Error): void {
    this.#answer.reject(error);
  }
}

/** Sends a command whose text is written already. `name` is in small letters. */
export function sendPlain(client: Redis, name: string, text: string | Buffer, answer: RedisAnswer): void {
  void client.sendCommand(new PlainCommand(name, text, answer) as unknown as Command);
}

/** Arguments as bulk strings of Redis's protocol. */
export interface Frames {
  readonly count: number;
  readonly text: string | Buffer;
}

const frameOf = (arg: string | number): string => {
  const text = typeof arg === 'string' ? arg : `${arg}`;
  return `$${typeof arg === 'string' ? Buffer.byteLength(text) : text.length}\r\n${text}\r\n`;
};

/** Writes arguments, so that those that stay the same are written once. */
export function frames(args: readonly RedisArg[]): Frames {
  let text = '';
  let parts: Buffer[] | undefined;
  for (const arg of args) {
    if (!Buffer.isBuffer(arg)) {
      text += frameOf(arg);
      continue;
    }
    parts ??= [];
    parts.push(Buffer.from(`${text}$${arg.length}\r\n`), arg);
    text = '\r\n';
  }
  if (parts === undefined) return { count: args.length, text };
  parts.push(Buffer.from(text));
  return { count: args.length, text: Buffer.concat(parts) };
}

/** A whole command out of its parts. */
export function commandText(...parts: readonly Frames[]): string | Buffer {
  let count = 0;
  let isText = true;
  for (const part of parts) {
    count += part.count;
    isText &&= typeof part.text === 'string';
  }
  const head = `*${count}\r\n`;
  if (isText) return parts.reduce((text, part) => text + (part.text as string), head);
  return Buffer.concat([Buffer.from(head), ...parts.map(({ text }) => (typeof text === 'string' ? Buffer.from(text) : text))]);
}
