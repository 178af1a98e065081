// Patterns with `*` over names: matched in linear time, so that no name and no pattern can stall a router or a worker.

/** One place of a pattern: `*` for any run of characters, `?` for any one, another character for itself, or a test of one character. */
export type GlobPlace = string | ((character: string) => boolean);

const fits = (place: GlobPlace | undefined, character: string): boolean =>
  typeof place === 'function' ? place(character) : place === '?' || place === character;

/** Does `text` match `pattern`, which is a string or a list of places? Anchored at both ends. */
export function globMatch(pattern: ArrayLike<GlobPlace>, text: string): boolean {
  let at = 0;
  let from = 0;
  let star = -1;
  let resume = 0;
  // The greedy walk with one way back: only the last star is ever tried again, so the work is at most |pattern| × |text|.
  while (from < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = from;
    } else if (fits(pattern[at], text[from] as string)) {
      at++;
      from++;
    } else if (star >= 0) {
      at = star + 1;
      from = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
