// A program for `lovage shell` from a pipe or an option, as one asynchronous function that returns the value of its last expression.

// There is no global of this name.
const AsyncFunction = (async () => undefined).constructor as new (
  ...parts: readonly string[]
) => (...values: readonly unknown[]) => Promise<unknown>;

/** A line that begins so may go on with the one before. */
const GOES_ON = /^\s*[([`+\-/*.,?:]/;

/** A function of these names that runs the code. Throws SyntaxError. */
export function compileCode(code: string, names: readonly string[]): (...values: readonly unknown[]) => Promise<unknown> {
  const lines = code.trimEnd().split('\n');
  for (let at = lines.length - 1; at >= 0; at--) {
    const last = lines.slice(at).join('\n').trim().replace(/;$/, '');
    if (last === '' || (at > 0 && GOES_ON.test(last))) continue;
    const made = lastOf(lines.slice(0, at), last, names);
    if (made !== undefined) return made;
  }
  return new AsyncFunction(...names, code);
}

/** The last expression of a text that stands behind these lines: the text itself, or what is behind its last `;`. */
function lastOf(before: readonly string[], text: string, names: readonly string[]): ReturnType<typeof compileCode> | undefined {
  const whole = tryCompile([...before, `return (${text}`, ');'].join('\n'), names);
  if (whole !== undefined) return whole;
  for (let at = text.lastIndexOf(';'); at > 0; at = text.lastIndexOf(';', at - 1)) {
    const head = text.slice(0, at);
    const rest = text.slice(at + 1).trim();
    // What stands in a comment is no program.
    if (/\/[/*]/.test(head) || rest === '') continue;
    const made = tryCompile([...before, `${head};`, `return (${rest}`, ');'].join('\n'), names);
    if (made !== undefined) return made;
  }
  return undefined;
}

function tryCompile(code: string, names: readonly string[]): ReturnType<typeof compileCode> | undefined {
  try {
    return new AsyncFunction(...names, code);
  } catch (error) {
    // Not an expression: the next attempt takes one line more.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
