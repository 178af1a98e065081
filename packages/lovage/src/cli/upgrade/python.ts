// A settings file in Python's simple form: assignments of literals, and of the few calls that such files are made of (crontab, timedelta,
// Queue …). Nothing is executed: what would have to be is told with its line.
import { crontab, every, solar } from '../../app/index.ts';
import { LovageError } from '../../util/index.ts';
import { type LogicalLine, logicalLines, type Token } from './tokens.ts';

export interface Assignment {
  readonly name: string;
  readonly value: unknown;
  readonly line: number;
}

/** Something that cannot be had without running it. */
export interface Unread {
  readonly line: number;
  readonly name: string;
  readonly reason: string;
}

export interface PythonFile {
  readonly assignments: readonly Assignment[];
  readonly unread: readonly Unread[];
}

class Unreadable extends Error {}

/** kombu's Exchange, until the Queue that it belongs to takes it apart. */
class Exchange {
  readonly name: string;
  readonly type: string;
  constructor(name: string, type: string) {
    this.name = name;
    this.type = type;
  }
}

type Values = readonly unknown[];
type Named = Readonly<Record<string, unknown>>;

const DAY = 86_400;
const SPANS: Named = { days: DAY, seconds: 1, microseconds: 1e-6, milliseconds: 1e-3, minutes: 60, hours: 3600, weeks: 7 * DAY };

function seconds(args: Values, kwargs: Named): number {
  const given = { ...Object.fromEntries(args.map((value, index) => [Object.keys(SPANS)[index] ?? '', value])), ...kwargs };
  return Object.entries(given).reduce((sum, [unit, value]) => {
    const factor = SPANS[unit];
    if (typeof factor !== 'number' || typeof value !== 'number') throw new Unreadable(`timedelta has no ${unit} of that kind`);
    return sum + factor * value;
  }, 0);
}

const CRON = ['minute', 'hour', 'day_of_week', 'day_of_month', 'month_of_year'];
const CRON_NAMES: Readonly<Record<string, string>> = {
  minute: 'minute',
  hour: 'hour',
  day_of_week: 'dayOfWeek',
  day_of_month: 'dayOfMonth',
  month_of_year: 'monthOfYear',
};

function cron(args: Values, kwargs: Named): unknown {
  const given = { ...Object.fromEntries(args.map((value, index) => [CRON[index] ?? '', value])), ...kwargs };
  const fields = Object.entries(given).map(([name, value]) => {
    const own = CRON_NAMES[name];
    if (own === undefined) throw new Unreadable(`crontab takes no ${name} that can be carried over`);
    return [own, value] as const;
  });
  return crontab(Object.fromEntries(fields));
}

/** Options of kombu's Queue under Celery's names; the settings table brings them into ours. */
function queue([name, exchange, key]: Values, kwargs: Named): unknown {
  const { name: named, exchange: given, routing_key: routingKey, queue_arguments: args, ...rest } = kwargs;
  const whole = exchange ?? given;
  const parts = whole instanceof Exchange ? { exchange: whole.name, exchange_type: whole.type } : { exchange: whole };
  const all = { name: name ?? named, ...parts, routing_key: key ?? routingKey, arguments: args, ...rest };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null));
}

const CALLS: Readonly<Record<string, (args: Values, kwargs: Named) => unknown>> = {
  timedelta: seconds,
  crontab: cron,
  schedule: ([span], { run_every: every_, relative }) => every(Number(span ?? every_), { relative: relative === true }),
  solar: ([event, latitude, longitude], kwargs) =>
    solar(
      (event ?? kwargs.event) as Parameters<typeof solar>[0],
      Number(latitude ?? kwargs.lat),
      Number(longitude ?? kwargs.lon),
    ),
  Queue: queue,
  Exchange: ([name, type], kwargs) => new Exchange(String(name ?? kwargs.name ?? ''), String(type ?? kwargs.type ?? 'direct')),
  dict: ([first], kwargs) => ({ ...(first as object | undefined), ...kwargs }),
  frozenset: ([items]) => items ?? [],
  set: ([items]) => items ?? [],
  list: ([items]) => items ?? [],
  tuple: ([items]) => items ?? [],
};

const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['True', true],
  ['False', false],
  ['None', null],
]);

/** How deep literals may stand in each other. */
const MAX_DEPTH = 100;

class Expression {
  readonly #tokens: readonly Token[];
  readonly #names: ReadonlyMap<string, unknown>;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], names: ReadonlyMap<string, unknown>) {
    this.#tokens = tokens;
    this.#names = names;
  }

  whole(): unknown {
    const value = this.#items(undefined);
    if (this.#at < this.#tokens.length) throw new Unreadable('it is worked out when Python runs');
    return value;
  }

  #isMark(text: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === 'mark' && token.text === text;
  }

  #skip(text: string): boolean {
    if (!this.#isMark(text)) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#skip(text)) throw new Unreadable('it is worked out when Python runs');
  }

  /** One value, or several with commas, which are a tuple, up to a bracket that closes. */
  #items(close: string | undefined): unknown {
    const values: unknown[] = [];
    let isTuple = false;
    while (this.#at < this.#tokens.length && (close === undefined || !this.#isMark(close))) {
      values.push(this.#sum());
      if (!this.#skip(',')) break;
      isTuple = true;
    }
    return isTuple || (close !== undefined && values.length === 0) ? values : values[0];
  }

  #sum(): unknown {
    let left = this.#product();
    for (;;) {
      if (this.#skip('+')) left = added(left, this.#product());
      else if (this.#skip('-')) left = number(left) - number(this.#product());
      else return left;
    }
  }

  #product(): unknown {
    let left = this.#signed();
    for (;;) {
      if (this.#skip('*')) left = number(left) * number(this.#signed());
      else if (this.#skip('/')) left = number(left) / number(this.#signed());
      else if (this.#skip('//')) left = Math.floor(number(left) / number(this.#signed()));
      else if (this.#skip('%')) left = modulo(number(left), number(this.#signed()));
      else return left;
    }
  }

  #signed(): unknown {
    if (this.#skip('-')) return -number(this.#signed());
    if (this.#skip('+')) return number(this.#signed());
    const base = this.#atom();
    return this.#skip('**') ? number(base) ** number(this.#signed()) : base;
  }

  #atom(): unknown {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new Unreadable('it has no value');
    if (++this.#depth > MAX_DEPTH) throw new Unreadable(`it is nested more than ${MAX_DEPTH} deep`);
    try {
      this.#at++;
      switch (token.kind) {
        case 'number':
          return readNumber(token.text);
        case 'text':
        case 'formatted':
        case 'bytes':
          return this.#text(token);
        case 'computed':
          throw new Unreadable('a t-string is worked out when Python runs');
        case 'name':
          return this.#named(token.text);
        default:
          return this.#bracket(token.text);
      }
    } finally {
      this.#depth--;
    }
  }

  /** Texts that stand beside each other are one. */
  #text(first: Token): unknown {
    const isBytes = first.kind === 'bytes';
    const fits = ({ kind }: Token): boolean => (isBytes ? kind === 'bytes' : kind === 'text' || kind === 'formatted');
    let text = this.#filled(first);
    for (let next = this.#tokens[this.#at]; next !== undefined && fits(next); next = this.#tokens[++this.#at]) {
      text += this.#filled(next);
    }
    return isBytes ? Uint8Array.from(text, (character) => character.charCodeAt(0)) : text;
  }

  /** An f-string of plain names (`f'redis://{HOST}:{PORT}/0'`) is what the file gave them; any other is Python's to work out. */
  #filled({ kind, text }: Token): string {
    if (kind !== 'formatted') return text;
    return text.replaceAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (found, name?: string) => {
      if (found === '{{' || found === '}}') return found.slice(1);
      const value = name === undefined ? undefined : this.#names.get(name.trim());
      if (typeof value === 'string' || Number.isSafeInteger(value)) return String(value);
      throw new Unreadable('an f-string is worked out when Python runs');
    });
  }

  /** Where the reading stands. */
  get line(): number | undefined {
    return this.#tokens[Math.max(0, this.#at - 1)]?.line;
  }

  #bracket(open: string): unknown {
    if (open === '(') {
      const value = this.#items(')');
      this.#expect(')');
      return value;
    }
    if (open === '[') {
      const values = this.#list(']');
      this.#expect(']');
      return values;
    }
    if (open === '{') return this.#braces();
    throw new Unreadable('it is worked out when Python runs');
  }

  #list(close: string): readonly unknown[] {
    const values: unknown[] = [];
    while (!this.#isMark(close)) {
      values.push(this.#sum());
      if (!this.#skip(',')) break;
    }
    return values;
  }

  /** A map, or a set, which is a list here. */
  #braces(): unknown {
    const entries: [string, unknown][] = [];
    const items: unknown[] = [];
    while (!this.#isMark('}')) {
      const key = this.#sum();
      if (this.#skip(':')) entries.push([keyText(key), this.#sum()]);
      else items.push(key);
      if (!this.#skip(',')) break;
    }
    this.#expect('}');
    return items.length > 0 ? items : Object.fromEntries(entries);
  }

  #named(first: string): unknown {
    const path = [first];
    while (this.#skip('.')) {
      const next = this.#tokens[this.#at++];
      if (next?.kind !== 'name') throw new Unreadable('it is worked out when Python runs');
      path.push(next.text);
    }
    if (this.#isMark('(')) return this.#call(path);
    const name = path.join('.');
    if (/^(os\.)?environ$/.test(name)) return this.#environment();
    if (CONSTANTS.has(name)) return CONSTANTS.get(name);
    if (this.#names.has(name)) return this.#names.get(name);
    throw new Unreadable(`'${name}' is no literal, and no name that the file gave one before`);
  }

  #environment(): never {
    const [open, key] = [this.#tokens[this.#at], this.#tokens[this.#at + 1]];
    throw fromEnvironment(open?.text === '[' && key?.kind === 'text' ? key.text : undefined);
  }

  #call(path: readonly string[]): unknown {
    const name = path.join('.');
    const last = path.at(-1) ?? '';
    this.#expect('(');
    if (/^(os\.(environ\.get|getenv)|environ\.get|getenv|config|env(\.\w+)?)$/.test(name)) {
      const key = this.#tokens[this.#at];
      throw fromEnvironment(key?.kind === 'text' ? key.text : undefined);
    }
    if (!Object.hasOwn(CALLS, last)) throw new Unreadable(`${name}(…) is worked out when Python runs`);
    const args: unknown[] = [];
    const kwargs: [string, unknown][] = [];
    while (!this.#isMark(')')) {
      const [key, equals] = [this.#tokens[this.#at], this.#tokens[this.#at + 1]];
      if (key?.kind === 'name' && equals?.text === '=') {
        this.#at += 2;
        kwargs.push([key.text, this.#sum()]);
      } else args.push(this.#sum());
      if (!this.#skip(',')) break;
    }
    this.#expect(')');
    return CALLS[last]?.(args, Object.fromEntries(kwargs));
  }
}

function fromEnvironment(key: string | undefined): Unreadable {
  return new Unreadable(`it comes from the environment${key === undefined ? '' : ` (${key})`}`);
}

function number(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new Unreadable('it is worked out when Python runs');
}

const modulo = (a: number, b: number): number => a - b * Math.floor(a / b);

function added(left: unknown, right: unknown): unknown {
  if (typeof left === 'string' && typeof right === 'string') return left + right;
  if (Array.isArray(left) && Array.isArray(right)) return [...(left as unknown[]), ...(right as unknown[])];
  return number(left) + number(right);
}

function keyText(key: unknown): string {
  if (typeof key === 'string' || typeof key === 'number') return String(key);
  throw new Unreadable('a key of a map is neither a text nor a number');
}

function readNumber(text: string): number {
  const plain = text.replaceAll('_', '');
  if (/j$/i.test(plain)) throw new Unreadable('a complex number has no place here');
  const value = Number(plain);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Unreadable(`${text} is too large to be exact here`);
  return value;
}

/** `NAME = value`, `NAME = NAME = value` and `NAME: type = value`; undefined for every other statement. */
function assigned({ tokens }: LogicalLine): { readonly names: readonly string[]; readonly value: readonly Token[] } | undefined {
  const [first, second] = tokens;
  if (first?.kind !== 'name' || second?.kind !== 'mark') return undefined;
  const isEquals = (token: Token | undefined): boolean => token?.kind === 'mark' && token.text === '=';
  if (second.text === ':') {
    const equals = tokens.findIndex(isEquals);
    return equals < 0 ? undefined : { names: [first.text], value: tokens.slice(equals + 1) };
  }
  const names: string[] = [];
  for (let at = 0; tokens[at]?.kind === 'name' && isEquals(tokens[at + 1]); at += 2) names.push(tokens[at]?.text ?? '');
  return names.length === 0 ? undefined : { names, value: tokens.slice(2 * names.length) };
}

const QUIET = /^(import|from|pass|__\w+__)$/;

/** What a line that is no assignment is about. */
function otherwise({ line, tokens }: LogicalLine): Unread | undefined {
  const [first, ...rest] = tokens;
  if (first === undefined || first.kind === 'text' || QUIET.test(first.text)) return undefined;
  const head = [first, ...rest.slice(0, 4)]
    .map(({ text }) => text)
    .join(' ')
    .replace(/ ?:$/, '');
  const what = /^(if|for|while|try|with|def|class|else|elif|except|finally|async|match)$/.test(first.text)
    ? `a block (${first.text}) is run by Python`
    : 'it is no assignment of a literal';
  return { line, name: head.length > 40 ? `${head.slice(0, 39)}…` : head, reason: what };
}

/** Reads a file. Throws PythonSyntaxError. */
export function readPython(source: string): PythonFile {
  const names = new Map<string, unknown>();
  const assignments: Assignment[] = [];
  const unread: Unread[] = [];
  for (const line of logicalLines(source)) {
    // What stands inside of a block is told with its head.
    if (line.indent > 0) continue;
    const found = assigned(line);
    if (found === undefined) {
      const other = otherwise(line);
      if (other !== undefined) unread.push(other);
      continue;
    }
    const expression = new Expression(found.value, names);
    try {
      const value = expression.whole();
      for (const name of found.names) {
        names.set(name, value);
        assignments.push({ name, value, line: line.line });
      }
    } catch (error) {
      if (!(error instanceof Unreadable) && !(error instanceof LovageError)) throw error;
      // In a long value the place is worth a word.
      const place = expression.line === undefined || expression.line === line.line ? '' : ` (line ${expression.line})`;
      for (const name of found.names) {
        names.delete(name);
        unread.push({ line: line.line, name, reason: `${error.message}${place}` });
      }
    }
  }
  return { assignments, unread };
}
