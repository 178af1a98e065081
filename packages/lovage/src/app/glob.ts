// Patterns with `*` over names: matched in linear time, so that no name and no pattern can stall a router.

/** Does `text` match `pattern`? `*` stands for any run of characters; with a `*` in the pattern, `?` stands for one. Anchored at both ends. */
export function globMatch(pattern: string, text: string): boolean {
  let at = 0;
  let from = 0;
  let star = -1;
  let resume = 0;
  // The greedy walk with one way back: only the last star is ever tried again, so the work is at most |pattern| × |text|.
  while (from < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = from;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[from])) {
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
