// Why something failed, in one line: an error's message and what stood behind it.

/** The message, and those of its causes that it does not say itself. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  let text = withoutStop(error.message);
  for (let { cause } = error, depth = 0; cause instanceof Error && depth < 3; { cause } = cause, depth++) {
    const { code = '' } = cause as { readonly code?: string };
    const more = withoutStop(cause.message === '' ? code : cause.message);
    if (!text.includes(more)) text = `${text}: ${more}`;
  }
  return text;
}

/** More may follow. */
function withoutStop(text: string): string {
  return text.replace(/\.+$/, '');
}
