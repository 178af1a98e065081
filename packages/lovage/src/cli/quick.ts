// Command lines of `inspect` and `control` in their plain form, read without the parsing library: loading it and its first run take longer
// than a whole question to a worker. What is not plain, or not right, is nobody's here: the parser reads it then, and knows all the rest.
import type { AskOptions, Kind, RemoteOptions } from './commands/ask-workers.ts';
import { commandNames } from './commands/names.ts';
import type { GlobalOptions } from './define.ts';

/** What a plain command line says. */
export interface QuickLine {
  readonly kind: Kind;
  readonly options: RemoteOptions;
  readonly global: GlobalOptions;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Valued = 'app' | 'broker' | 'resultBackend' | 'config';

const VALUED: Readonly<Record<string, Valued>> = {
  '-A': 'app',
  '--app': 'app',
  '-b': 'broker',
  '--broker': 'broker',
  '--result-backend': 'resultBackend',
  '--config': 'config',
};
const FLAGS: Readonly<Record<string, 'json' | 'quiet' | 'noColor'>> = {
  '-j': 'json',
  '--json': 'json',
  '-q': 'quiet',
  '--quiet': 'quiet',
  '-C': 'noColor',
  '--no-color': 'noColor',
};
const OWN: Readonly<Record<string, keyof AskOptions>> = {
  '-t': 'timeout',
  '--timeout': 'timeout',
  '-d': 'destination',
  '--destination': 'destination',
};

/** Variables of global options that are read here; with one of the others set a line is not plain. */
const READ: Readonly<Record<string, Valued>> = {
  LOVAGE_APP: 'app',
  LOVAGE_BROKER: 'broker',
  LOVAGE_RESULT_BACKEND: 'resultBackend',
  LOVAGE_CONFIG: 'config',
};
const UNREAD = ['LOVAGE_WORKDIR', 'LOVAGE_DOTENV', 'LOVAGE_JSON', 'LOVAGE_QUIET', 'LOVAGE_NO_COLOR'];

/** The variables of all global options; a test compares them with the parser's. */
export const globalVariables: readonly string[] = [...Object.keys(READ), ...UNREAD];

/** Seconds as people write them; the parser knows more ways. */
const SECONDS = /^\d{1,6}(?:\.\d{1,6})?$/;

/** Is a variable set that is an option of some command? */
function hasOptions(environment: Environment): boolean {
  const ours = Object.keys(environment).filter((name) => name.startsWith('LOVAGE_') && READ[name] === undefined);
  return ours.some(
    (name) => (UNREAD.includes(name) && environment[name] !== '') || commandNames.some((command) => isOf(command, name)),
  );
}

const isOf = (command: string, variable: string): boolean => variable.startsWith(`LOVAGE_${command.toUpperCase()}_`);

/** The words of the line, one after the other. */
class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  next(): string | undefined {
    return this.#words[this.#at++];
  }

  /** What an option is given: behind `=`, or the next word unless that is an option itself. */
  valueOf(word: string): string | undefined {
    const equals = word.indexOf('=');
    const value = equals < 0 ? this.next() : word.slice(equals + 1);
    return value === undefined || value === '' || (equals < 0 && value.startsWith('-')) ? undefined : value;
  }
}

/** Undefined for a value that is not plain. */
function ownValue(name: keyof AskOptions, text: string): number | readonly string[] | undefined {
  if (name === 'timeout') return SECONDS.test(text) ? Number(text) : undefined;
  const nodes = text.split(',').map((node) => node.trim());
  return nodes.includes('') ? undefined : nodes;
}

/** What a plain command line says; undefined for all others. */
export function quickly(argv: readonly string[], environment: Environment): QuickLine | undefined {
  if (hasOptions(environment)) return undefined;
  const given: Partial<Record<Valued, string> & Record<'json' | 'quiet' | 'noColor', true>> = {};
  const own: { timeout?: number; destination?: readonly string[] } = {};
  const plain: string[] = [];
  const words = new Words(argv);
  for (let word = words.next(); word !== undefined; word = words.next()) {
    if (word === '') return undefined;
    if (!word.startsWith('-')) {
      plain.push(word);
      continue;
    }
    const name = word.startsWith('--') ? word.replace(/=.*$/s, '') : word;
    const flag = FLAGS[word];
    const valued = VALUED[name];
    // An option of the command stands behind its name.
    const ours = plain.length > 0 ? OWN[name] : undefined;
    const field = flag ?? valued ?? ours;
    // Unknown, or given twice.
    if (field === undefined || Object.hasOwn(given, field) || Object.hasOwn(own, field)) return undefined;
    if (flag !== undefined) {
      given[flag] = true;
      continue;
    }
    const value = words.valueOf(word);
    if (value === undefined) return undefined;
    if (valued !== undefined) given[valued] = value;
    else if (ours !== undefined) {
      const read = ownValue(ours, value);
      if (read === undefined) return undefined;
      Object.assign(own, { [ours]: read });
    }
  }
  const [kind, name, ...rest] = plain;
  if ((kind !== 'inspect' && kind !== 'control') || name === undefined) return undefined;
  const fromEnvironment = Object.fromEntries(
    Object.entries(READ).map(([variable, field]) => [field, environment[variable] || undefined]),
  ) as Record<Valued, string | undefined>;
  return {
    kind,
    options: { timeout: own.timeout, destination: own.destination, list: false, name, words: rest },
    global: {
      workdir: undefined,
      dotenv: undefined,
      ...{ json: false, quiet: false, noColor: false },
      ...fromEnvironment,
      ...given,
    },
  };
}
