// The value of a global option before anything else of a command line is understood: which file of variables, which folder, which app.

/** The value of a global option, found without understanding the rest of the command line. */
export function globalWord(
  argv: readonly string[],
  {
    names,
    variable,
  }: { readonly names: readonly [short: string, long: string] | readonly [long: string]; readonly variable: string },
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  for (const [index, word] of words.entries()) {
    if (names.some((name) => name === word)) return words[index + 1];
    const long = names.find((name) => name.startsWith('--') && word.startsWith(`${name}=`));
    if (long !== undefined) return word.slice(long.length + 1);
  }
  return environment[variable] || undefined;
}
