// A judge of JSON texts that shares no code with the reader under test: numbers are kept as they were written.

/** A number as a value of its own: `int:1`, `float:1`. With `loose`, a float without a fraction counts as an integer. */
function mark(source: string, loose: boolean): string {
  if (/^-?\d+$/.test(source)) return `int:${BigInt(source)}`;
  const value = Number(source);
  return loose && Number.isSafeInteger(value) && !Object.is(value, -0)
    ? `int:${value}`
    : `float:${Object.is(value, -0) ? '-0' : value}`;
}

/** JSON, or Python's JSON, with every number replaced by its mark; key order is kept. */
export function lossless(text: string, options: { readonly loose?: boolean } = {}): unknown {
  // Words that JSON has not, outside of strings: every string is matched first, and left alone.
  const words = text.replaceAll(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    token.startsWith('"')
      ? token
      : JSON.stringify(/[a-zA-Z]{3}/.test(token) ? `float:${token}` : mark(token, options.loose === true)),
  );
  return JSON.parse(words);
}
