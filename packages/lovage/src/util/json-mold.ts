// JSON texts that are alike: messages of one task from one sender differ in a few strings only, those of a group in a number as well. A
// mold knows what stays the same, letter by letter, and where the others stand, so that the next such text is compared instead of parsed:
// about five times as quick.
//
// What a mold reads is what JSON.parse would have read: texts with a backslash are left to it, and without one a quotation mark always
// ends a string. (Bare control characters inside a string are let through, which JSON.parse refuses.)

/** Where strings, or whole numbers from 0 on, that may differ stand in the parsed value. */
type Path = readonly string[];

/** A text read by a mold. */
export interface Molded<Shape> {
  /** What was made of the first text of this kind; the same object for all of them. */
  readonly shape: Shape;
  /** What may differ: strings, and the digits of numbers. */
  readonly texts: readonly string[];
}

interface Mold<Shape> {
  readonly shape: Shape;
  /** What stands before each of those that may differ, and behind the last. */
  readonly literals: readonly string[];
  /** Which of them are numbers. */
  readonly numbers: readonly boolean[];
}

/** A text without what may differ in it. */
type Cut = Omit<Mold<never>, 'shape'>;

const MAX_MOLDS = 8;
/** Texts that never come alike again are not worth a mold: each one made costs a credit, each one used earns it back. */
const MAX_CREDIT = 16;
const MARK = '\u0001';
/** Digits of a number that every place holds exactly. */
const MAX_DIGITS = 15;

/** The string in a gap; undefined where the index says that there is none: an array asked for what is before its first is slow to say so. */
export function textAt(texts: readonly string[], index: number): string | undefined {
  return index < 0 ? undefined : texts[index];
}

/** The number in a gap likewise. */
export function numberAt(texts: readonly string[], index: number): number | undefined {
  return index < 0 ? undefined : Number(texts[index]);
}

/** The molds of one stream of texts. */
export class JsonMolds<Shape extends object> {
  readonly #places: ReadonlyMap<string, Path>;
  readonly #token: RegExp;
  #molds: Mold<Shape>[] = [];
  #credit = MAX_CREDIT;

  /**
   * `places`: names for the strings that may differ, `numbers`: for the numbers. A text in which another string, or number, has the key of
   * one of them fits no mold.
   */
  constructor(places: Readonly<Record<string, Path>>, numbers: Readonly<Record<string, Path>> = {}) {
    this.#places = new Map([...Object.entries(places), ...Object.entries(numbers)]);
    this.#token = new RegExp(`${anyKey(places)}"([^"]*)"|${anyKey(numbers)}(0|[1-9]\\d{0,${MAX_DIGITS - 1}})(?=[,}])`, 'dg');
  }

  /** Undefined when no mold fits: parse the text, and `learn` from it. `isPlain`: it is known to have no backslash. */
  read(text: string, isPlain = false): Molded<Shape> | undefined {
    if (this.#molds.length === 0 || (!isPlain && text.includes('\\'))) return undefined;
    for (const mold of this.#molds) {
      const texts = fit(mold, text);
      if (texts === undefined) continue;
      if (this.#credit < MAX_CREDIT) this.#credit++;
      return { shape: mold.shape, texts };
    }
    return undefined;
  }

  /** Makes a mold of a text. `shapeOf` is told at which index of `texts` each place will be, and may refuse. */
  learn(text: string, shapeOf: (index: (name: string) => number) => Shape | undefined): void {
    if (this.#credit === 0 || text.includes('\\')) return;
    this.#credit--;
    const cut = this.#cut(text);
    const names = this.#namesOf(cut);
    const shape = names && shapeOf((name) => names.indexOf(name));
    if (shape !== undefined) this.#molds = [{ shape, ...cut }, ...this.#molds.slice(0, MAX_MOLDS - 1)];
  }

  #cut(text: string): Cut {
    const matches = [...text.matchAll(this.#token)];
    const spans = matches.map(({ indices }) => indices?.[1] ?? indices?.[2] ?? [0, 0]);
    const literals = spans.map(([start], index) => text.slice(index === 0 ? 0 : spans[index - 1]?.[1], start));
    literals.push(text.slice(spans.at(-1)?.[1] ?? 0));
    // Copies: a slice would keep its whole text, and is slower to compare.
    return {
      literals: literals.map((literal) => Buffer.from(literal).toString()),
      numbers: matches.map((match) => match[2] !== undefined),
    };
  }

  /** Which of them stands in which gap: asked of the parser itself, with a mark in each gap. */
  #namesOf({ literals, numbers }: Cut): readonly string[] | undefined {
    const marked = literals.reduce((text, literal, index) => {
      const mark = `\\u0001${index - 1}`;
      return `${text}${numbers[index - 1] === true ? `"${mark}"` : mark}${literal}`;
    });
    const value = parsed(marked);
    const names: string[] = [];
    for (const [name, path] of this.#places) {
      const found = at(value, path);
      if (typeof found === 'string' && found.startsWith(MARK)) names[Number(found.slice(1))] = name;
    }
    return literals.length > 1 && Object.keys(names).length === literals.length - 1 ? names : undefined;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function at(value: unknown, path: Path): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

/** The pattern of a key of these, of none when there are none. */
function anyKey(places: Readonly<Record<string, Path>>): string {
  const keys = new Set(Object.values(places).map((path) => path.at(-1) ?? ''));
  return keys.size === 0 ? '(?!)' : `"(?:${[...keys].join('|')})": ?`;
}

/** Slices that are compared whole: several times as quick as `startsWith`, which goes letter by letter. */
function fit({ literals, numbers }: Cut, text: string): string[] | undefined {
  const texts: string[] = [];
  let end = 0;
  for (let index = 0; index < literals.length - 1; index++) {
    const literal = literals[index] ?? '';
    const start = end + literal.length;
    if (text.slice(end, start) !== literal) return undefined;
    end = numbers[index] === true ? endOfNumber(text, start) : text.indexOf('"', start);
    if (end < 0) return undefined;
    texts.push(text.slice(start, end));
  }
  return text.slice(end) === literals.at(-1) ? texts : undefined;
}

/** Where the digits end that begin there; -1 for what JSON would not call a number, and for more digits than are exact. */
function endOfNumber(text: string, start: number): number {
  let end = start;
  while (isDigit(text.charCodeAt(end))) end++;
  const count = end - start;
  const isPadded = count > 1 && text[start] === '0';
  return count === 0 || count > MAX_DIGITS || isPadded ? -1 : end;
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
