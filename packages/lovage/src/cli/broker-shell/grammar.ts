// The commands of `lovage amqp` as data, with Celery's names and order of arguments, and what a line of words means by them.
import { ConfigurationError, didYouMean } from '../../util/index.ts';

type Kind = 'text' | 'flag' | 'number';

interface Place {
  readonly name: string;
  readonly kind: Kind;
  readonly optional?: boolean;
  /** For a flag that is not given. @default false */
  readonly otherwise?: boolean;
}

export interface ShellCommand {
  readonly about: string;
  readonly places: readonly Place[];
  /** Takes `x-name=value` too. */
  readonly takesArguments?: boolean;
  /** What is gone by it, for the question that comes before. */
  readonly destroys?: (name: string) => string;
}

const text = (name: string): Place => ({ name, kind: 'text' });
const maybe = (name: string): Place => ({ name, kind: 'text', optional: true });
const flag = (name: string, otherwise = false): Place => ({ name, kind: 'flag', optional: true, otherwise });

const NAMES = [
  'exchange.declare',
  'exchange.delete',
  'queue.declare',
  'queue.bind',
  'queue.delete',
  'queue.purge',
  'basic.publish',
  'basic.get',
  'basic.ack',
  'basic.reject',
] as const;

export type ShellCommandName = (typeof NAMES)[number];
export const commandNames: readonly ShellCommandName[] = NAMES;

const commands: Readonly<Record<ShellCommandName, ShellCommand>> = {
  'exchange.declare': {
    about: 'Make an exchange: direct, topic, fanout.',
    places: [text('exchange'), text('type'), flag('passive'), flag('durable', true), flag('auto_delete')],
  },
  'exchange.delete': {
    about: 'Delete an exchange.',
    places: [text('exchange'), flag('if_unused')],
    destroys: (name) => `Delete the exchange ${name}, with its bindings?`,
  },
  'queue.declare': {
    about: 'Make a queue, or look for it (passive); prints how many messages wait.',
    places: [text('queue'), flag('passive'), flag('durable', true), flag('auto_delete')],
    takesArguments: true,
  },
  'queue.bind': {
    about: 'Lead a routing key of an exchange to a queue.',
    places: [text('queue'), text('exchange'), text('routing_key'), maybe('type')],
  },
  'queue.delete': {
    about: 'Delete a queue and what waits in it.',
    places: [text('queue'), flag('if_unused'), flag('if_empty')],
    destroys: (name) => `Delete the queue ${name}, with every message in it?`,
  },
  'queue.purge': {
    about: 'Delete what waits in a queue.',
    places: [text('queue')],
    destroys: (name) => `Delete every message in ${name}?`,
  },
  'basic.publish': {
    about: 'Send a text to an exchange; an empty one is the default exchange, whose key is the name of a queue.',
    places: [text('message'), text('exchange'), text('routing_key'), flag('mandatory', true), flag('immediate')],
  },
  'basic.get': {
    about: 'Take the next message; without no_ack it goes back when this program ends, unless it is acknowledged.',
    places: [text('queue'), flag('no_ack')],
  },
  'basic.ack': { about: 'Acknowledge a message by its delivery tag: it is gone.', places: [{ name: 'tag', kind: 'number' }] },
  'basic.reject': {
    about: 'Give a message back (requeue), or drop it.',
    places: [{ name: 'tag', kind: 'number' }, flag('requeue')],
  },
};

export interface ShellCall {
  readonly name: ShellCommandName;
  readonly texts: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly tag: number;
  /** Arguments such as `x-max-priority`. */
  readonly extra: Readonly<Record<string, unknown>>;
}

export function commandOf(name: ShellCommandName): ShellCommand {
  return commands[name];
}

export function usageOf(name: ShellCommandName): string {
  const { places, takesArguments = false } = commandOf(name);
  const words = places.map((place) =>
    place.optional === true ? `[${place.name}${place.otherwise === true ? '=yes' : ''}]` : place.name.toUpperCase(),
  );
  return [name, ...words, ...(takesArguments ? ['[x-name=value ...]'] : [])].join(' ');
}

function readFlag(name: string, word: string): boolean {
  if (/^(true|yes|1|on)$/i.test(word)) return true;
  if (/^(false|no|0|off)$/i.test(word)) return false;
  throw new ConfigurationError(`amqp: ${name} is '${word}'; it must be yes or no.`);
}

function readNumber(name: string, word: string): number {
  if (/^\d+$/.test(word)) return Number(word);
  throw new ConfigurationError(`amqp: ${name} is '${word}'; it must be the number that basic.get showed.`);
}

function readExtra(word: string): readonly [string, unknown] {
  const at = word.indexOf('=');
  const value = word.slice(at + 1);
  // A number as JSON has it: one that begins with a zero, or is larger than a broker's, is a text.
  return [word.slice(0, at), /^(0|[1-9]\d{0,14}|true|false)$/.test(value) ? (JSON.parse(value) as unknown) : value];
}

/** Flags may be named: `durable=no`. */
function placed(places: readonly Place[], words: readonly string[], usage: string): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  const free = [...places];
  for (const word of words) {
    const [, key] = /^([a-z_]+)=/.exec(word) ?? [];
    const named = places.find(({ name, optional = false }) => optional && name === key);
    const place = named ?? free[0];
    if (place === undefined || given.has(place.name))
      throw new ConfigurationError(`amqp: '${word}' is one word too many: ${usage}`);
    given.set(place.name, named === undefined ? word : word.slice(place.name.length + 1));
    free.splice(free.indexOf(place), 1);
  }
  const missing = free.find(({ optional = false }) => !optional);
  if (missing !== undefined) throw new ConfigurationError(`amqp: ${missing.name} is missing: ${usage}`);
  return given;
}

/** What a line of words asks for. Throws ConfigurationError. */
export function readCall([name = '', ...words]: readonly string[]): ShellCall {
  const known = commandNames.find((one) => one === name);
  if (known === undefined)
    throw new ConfigurationError(
      `amqp: there is no '${name}'.${didYouMean(name, commandNames)} Known are ${commandNames.join(', ')}, help and exit.`,
    );
  const { places, takesArguments = false } = commandOf(known);
  const isExtra = (word: string): boolean => takesArguments && /^x-[\w-]+=/.test(word);
  const given = placed(
    places,
    words.filter((word) => !isExtra(word)),
    usageOf(known),
  );
  const texts: Record<string, string> = {};
  const flags: Record<string, boolean> = {};
  let tag = 0;
  for (const { name: place, kind, otherwise = false } of places) {
    const word = given.get(place);
    if (kind === 'flag') flags[place] = word === undefined ? otherwise : readFlag(place, word);
    else if (kind === 'number') tag = readNumber(place, word ?? '');
    else if (word !== undefined) texts[place] = word;
  }
  return { name: known, texts, flags, tag, extra: Object.fromEntries(words.filter(isExtra).map(readExtra)) };
}

/** A line as a shell would split it: blanks, with quotes of both kinds and backslashes. Throws ConfigurationError. */
export function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? '';
    if (character === '\\' && quote !== "'" && at + 1 < line.length) word = (word ?? '') + (line[++at] ?? '');
    else if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (quote === '' && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw new ConfigurationError(`amqp: a quote (${quote}) is not closed.`);
  return word === undefined ? words : [...words, word];
}
