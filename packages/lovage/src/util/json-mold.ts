// JSON texts that are alike: messages of one task from one sender differ in a few strings only. A mold knows what stays the same, letter
// by letter, and where the others stand, so that the next such text is compared instead of parsed: about five times as quick.
//
// What a mold reads is what JSON.parse would have read: texts with a backslash are left to it, and without one a quotation mark always
// ends a string. (Bare control characters inside a string are let through, which JSON.parse refuses.)

/** Where strings that may differ stand in the parsed value. */
type Path = readonly string[];

/** A text read by a mold. */
export interface Molded<Shape> {
  /** What was made of the first text of this kind; the same object for all of them. */
  readonly shape: Shape;
  /** The strings that may differ. */
  readonly texts: readonly string[];
}

interface Mold<Shape> {
  readonly shape: Shape;
  /** What stands before each of the strings, and behind the last. */
  readonly literals: readonly string[];
}

const MAX_MOLDS = 8;
/** Texts that never come alike again are not worth a mold: each one made costs a credit, each one used earns it back. */
const MAX_CREDIT = 16;
const MARK = '\u0001';

/** The molds of one stream of texts. */
export class JsonMolds<Shape extends object> {
  readonly #places: ReadonlyMap<string, Path>;
  readonly #token: RegExp;
  #molds: Mold<Shape>[] = [];
  #credit = MAX_CREDIT;

  /** `places`: names for the strings that may differ. A text in which another string has the key of one of them fits no mold. */
  constructor(places: Readonly<Record<string, Path>>) {
    this.#places = new Map(Object.entries(places));
    const keys = new Set([...this.#places.values()].map((path) => path.at(-1) ?? ''));
    this.#token = new RegExp(`"(?:${[...keys].join('|')})": ?"([^"]*)"`, 'dg');
  }

  /** Undefined when no mold fits: parse the text, and `learn` from it. `isPlain`: it is known to have no backslash. */
  read(text: string, isPlain = false): Molded<Shape> | undefined {
    if (this.#molds.length === 0 || (!isPlain && text.includes('\\'))) return undefined;
    for (const mold of this.#molds) {
      const texts = fit(mold.literals, text);
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
    const literals = this.#literalsOf(text);
    const names = this.#namesOf(literals);
    const shape = names && shapeOf((name) => names.indexOf(name));
    if (shape !== undefined) this.#molds = [{ shape, literals }, ...this.#molds.slice(0, MAX_MOLDS - 1)];
  }

  #literalsOf(text: string): readonly string[] {
    const spans = [...text.matchAll(this.#token)].map((match) => match.indices?.[1] ?? [0, 0]);
    const literals = spans.map(([start], index) => text.slice(index === 0 ? 0 : spans[index - 1]?.[1], start));
    literals.push(text.slice(spans.at(-1)?.[1] ?? 0));
    // Copies: a slice would keep its whole text, and is slower to compare.
    return literals.map((literal) => Buffer.from(literal).toString());
  }

  /** Which string stands in which gap: asked of the parser itself, with a mark in each gap. */
  #namesOf(literals: readonly string[]): readonly string[] | undefined {
    const marked = literals.reduce((text, literal, index) => `${text}\\u0001${index - 1}${literal}`);
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

/** Slices that are compared whole: several times as quick as `startsWith`, which goes letter by letter. */
function fit(literals: readonly string[], text: string): string[] | undefined {
  const texts: string[] = [];
  let end = 0;
  for (let index = 0; index < literals.length - 1; index++) {
    const literal = literals[index] ?? '';
    const start = end + literal.length;
    if (text.slice(end, start) !== literal) return undefined;
    end = text.indexOf('"', start);
    if (end < 0) return undefined;
    texts.push(text.slice(start, end));
  }
  return text.slice(end) === literals.at(-1) ? texts : undefined;
}
