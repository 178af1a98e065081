// The words of `lovage multi` as the command lines of its nodes. Celery's grammar: names or a number of nodes, options for all of them,
// and `-c:1-3 10` or `-Q:images,films a,b` for some. Pure.
import { ConfigurationError } from '../../util/index.ts';

/** One word or two of a command line. */
type OptionWords = readonly string[];

export interface Node {
  /** `name@host` */
  readonly name: string;
  /** Words that go before `worker`: the app, the broker. */
  readonly global: readonly string[];
  /** Words after it. */
  readonly words: readonly string[];
  readonly pidfile: string;
  readonly logfile: string;
}

export interface MultiContext {
  readonly host: string;
  /** For files that are not named. */
  readonly pidfile: string;
  readonly logfile: string;
  /** Prefix of nodes that a number stands for. */
  readonly rangePrefix: string;
  /** Does this option of a worker take a value? undefined: there is no such option. */
  takesValue(name: string): boolean | undefined;
}

interface Sorted {
  readonly names: readonly string[];
  /** In their order; a later one of the same name takes the place of an earlier. */
  readonly options: ReadonlyMap<string, OptionWords>;
  /** By what stands after the colon. */
  readonly special: ReadonlyMap<string, ReadonlyMap<string, OptionWords>>;
  readonly rest: readonly string[];
}

/** Options that stand before the command. */
const GLOBAL: ReadonlySet<string> = new Set([
  ...['-A', '--app', '-b', '--broker', '--result-backend', '--config', '--workdir', '--dotenv'],
  ...['-C', '--no-color', '-q', '--quiet'],
]);
/** Options of `multi` itself. */
const OWN: ReadonlySet<string> = new Set([
  '-n',
  '--hostname',
  '--prefix',
  '--suffix',
  '--range-prefix',
  '--nosplash',
  '--verbose',
]);

const isShort = (name: string): boolean => !name.startsWith('--');

/** The words of a command line, sorted. */
function sort(words: readonly string[], context: MultiContext): Sorted {
  const end = words.indexOf('--');
  const own = end < 0 ? words : words.slice(0, end);
  const names: string[] = [];
  const options = new Map<string, OptionWords>();
  const special = new Map<string, Map<string, OptionWords>>();
  for (let index = 0; index < own.length; index++) {
    const word = own[index] ?? '';
    if (!word.startsWith('-') || word === '-') {
      names.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const head = equals < 0 ? word : word.slice(0, equals);
    const colon = head.indexOf(':');
    const name = colon < 0 ? head : head.slice(0, colon);
    const takes = OWN.has(name) ? !/nosplash|verbose/.test(name) : context.takesValue(name);
    const next = own[index + 1];
    // Of an option that nobody knows a short one has a value, as for Celery.
    const wants = equals < 0 && next !== undefined && !next.startsWith('-') && (takes ?? isShort(name));
    if (wants) index++;
    const value = equals >= 0 ? word.slice(equals + 1) : wants ? next : undefined;
    const given = value === undefined ? [name] : isShort(name) ? [name, value] : [`${name}=${value}`];
    if (colon < 0) options.set(name, given);
    else {
      const key = head.slice(colon + 1);
      const group = special.get(key) ?? new Map<string, OptionWords>();
      special.set(key, group.set(name, given));
    }
  }
  return { names, options, special, rest: end < 0 ? [] : words.slice(end) };
}

const givenValue = (words: OptionWords | undefined): string | undefined =>
  words === undefined ? undefined : (words[1] ?? words[0]?.replace(/^[^=]*=/, ''));

/** A suffix may be said to be empty. */
const unquoted = (text: string): string => (/^(''|"")$/.test(text) ? '' : text);

interface Named {
  readonly names: readonly string[];
  readonly isRange: boolean;
}

function nodeNames({ names, options }: Sorted, { host, rangePrefix }: MultiContext): Named {
  const own = (name: string): string | undefined => givenValue(options.get(name));
  const suffix = unquoted(own('--suffix') ?? own('--hostname') ?? own('-n') ?? host);
  const [only = ''] = names;
  const isRange = names.length === 1 && /^\d+$/.test(only);
  const count = Number(only);
  if (isRange && (count < 1 || count > 10_000)) throw new ConfigurationError(`multi: ${only} nodes cannot be run.`);
  const prefix = isRange ? (own('--range-prefix') ?? rangePrefix) : (own('--prefix') ?? '');
  const plain = isRange ? Array.from({ length: count }, (_, index) => String(index + 1)) : names;
  const full = plain.map((name) => {
    const whole = name.includes('@') ? name : `${prefix}${name}@${suffix}`;
    return whole.replaceAll(/%([hnd])/g, (_, letter: string) =>
      letter === 'h' ? host : letter === 'n' ? (host.split('.')[0] ?? '') : host.split('.').slice(1).join('.'),
    );
  });
  const twice = full.find((name, index) => full.indexOf(name) !== index);
  if (twice !== undefined) throw new ConfigurationError(`multi: the node ${twice} is named twice.`);
  return { names: full, isRange };
}

/** Which nodes `1-3`, `images,films` or `2` stand for, by their place. */
function placesOf(key: string, { names, isRange }: Named, given: readonly string[]): readonly number[] {
  return key.split(',').flatMap((part) => {
    const [, from, to] = /^(\d+)-(\d+)$/.exec(part) ?? [];
    if (isRange && from !== undefined && to !== undefined) {
      const [first, last] = [placeOf(from, key, names), placeOf(to, key, names)];
      if (first > last)
        throw new ConfigurationError(`multi: ':${key}' names no node: a range goes from the smaller number to the larger.`);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    }
    const byName = given.indexOf(part);
    return [!isRange && byName >= 0 ? byName : names.includes(part) ? names.indexOf(part) : placeOf(part, key, names)];
  });
}

function placeOf(part: string, key: string, names: readonly string[]): number {
  const place = /^\d+$/.test(part) ? Number(part) : names.findIndex((name) => name.split('@')[0] === part) + 1;
  if (place >= 1 && place <= names.length) return place - 1;
  throw new ConfigurationError(`multi: ':${key}' names no node. There are ${names.length}: ${names.slice(0, 10).join(', ')}.`);
}

/** `%n` and the like of one node; the slot's `%i` and `%I` are left for the worker. */
export function expandFor(node: string): (text: string) => string {
  const at = node.indexOf('@');
  const host = at < 0 ? '' : node.slice(at + 1);
  const name = at < 0 ? node : node.slice(0, at);
  const parts: Readonly<Record<string, string>> = { n: name, N: name, h: node, p: node, d: host };
  return (text) => text.replaceAll(/%([nNhpd])/g, (_, letter: string) => parts[letter] ?? '');
}

/** The nodes of a command line. Throws ConfigurationError. */
export function nodesOf(words: readonly string[], context: MultiContext): readonly Node[] {
  const sorted = sort(words, context);
  if (sorted.names.length === 0) throw new ConfigurationError('multi: which nodes? Give a number, such as 3, or names.');
  const named = nodeNames(sorted, context);
  const special = named.names.map(() => [] as ReadonlyMap<string, OptionWords>[]);
  for (const [key, options] of sorted.special) {
    for (const place of placesOf(key, named, sorted.names)) special[place]?.push(options);
  }
  return named.names.map((name, place) => {
    const options = new Map([...sorted.options, ...(special[place] ?? []).flatMap((more) => [...more])]);
    const expand = expandFor(name);
    for (const [option, standard] of [
      ['--pidfile', context.pidfile],
      ['--logfile', context.logfile],
    ] as const) {
      const short = option === '--logfile' ? options.get('-f') : undefined;
      if (!options.has(option) && short === undefined) options.set(option, [`${option}=${standard}`]);
    }
    const expanded = [...options].map(([key, given]) => [key, given.map(expand)] as const);
    const own = expanded.filter(([key]) => !OWN.has(key));
    const file = (...keys: readonly string[]): string => givenValue(expanded.find(([key]) => keys.includes(key))?.[1]) ?? '';
    return {
      name,
      global: own.flatMap(([key, given]) => (GLOBAL.has(key) ? given : [])),
      words: ['--detach', ...own.flatMap(([key, given]) => (GLOBAL.has(key) ? [] : given)), '-n', name, ...sorted.rest],
      pidfile: file('--pidfile'),
      logfile: file('--logfile', '-f'),
    };
  });
}
