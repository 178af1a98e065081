// What `lovage amqp` needs of a broker: the operations of its grammar, each with an answer. rabbit.ts speaks AMQP, virtual.ts stands for
// the brokers that have queues and bindings only.
import type { ShellCall } from './grammar.ts';

export interface ShellAnswer {
  /** For programs. */
  readonly value: Readonly<Record<string, unknown>>;
  /** For people. */
  readonly lines: readonly string[];
}

export interface BrokerShell extends AsyncDisposable {
  /** Address, without its password. */
  readonly url: string;
  run(call: ShellCall): Promise<ShellAnswer>;
}

export interface Got {
  readonly body: Uint8Array;
  readonly tag: number;
  readonly exchange: string;
  readonly routingKey: string;
  readonly redelivered: boolean;
  readonly remaining: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: Readonly<Record<string, unknown>>;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function bodyOf(body: Uint8Array): Readonly<Record<string, string>> {
  try {
    return { body: utf8.decode(body) };
  } catch {
    return { body: Buffer.from(body).toString('base64'), bodyEncoding: 'base64' };
  }
}

export function gotAnswer(got: Got | undefined, queue: string): ShellAnswer {
  if (got === undefined)
    return { value: { message: null }, lines: [`No messages in '${queue}'. Send one: basic.publish TEXT '' ${queue}`] };
  const { tag, exchange, routingKey, redelivered, remaining, headers, properties } = got;
  const value = {
    ...bodyOf(got.body),
    tag,
    ...{ exchange, routingKey, redelivered, remaining: remaining ?? null },
    properties: Object.fromEntries(Object.entries(properties).filter(([, item]) => item !== undefined)),
    headers,
  };
  return { value, lines: JSON.stringify(value, undefined, 2).split('\n') };
}

export function counted(count: number, verb: string): ShellAnswer {
  return { value: { deleted: count }, lines: [`${count} message${count === 1 ? '' : 's'} ${verb}.`] };
}

export const done: ShellAnswer = { value: { ok: true }, lines: [] };
