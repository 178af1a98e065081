// A second copy of Lovage in one process (two versions, or one loaded twice) has tasks and errors that the first does not recognise.
// It cannot be prevented, so it is named. This is the one thing that Lovage keeps on globalThis.

const COPIES = Symbol.for('lovage.copies.v1');

/** Marks every app, so that one of another copy can be told from something else. */
export const APP_MARK: symbol = Symbol.for('lovage.app.v1');

/** Remembers this copy, and warns once when there is another. */
export function noticeCopy(
  url: string,
  warn: (text: string) => void = (text) => process.emitWarning(text, 'LovageWarning'),
): void {
  const holder = globalThis as { [COPIES]?: Set<string> };
  holder[COPIES] ??= new Set();
  const copies = holder[COPIES];
  if (copies.has(url)) return;
  const [other] = copies;
  copies.add(url);
  if (other === undefined) return;
  warn(
    `Two copies of Lovage run in this process: ${other} and ${url}. They do not know each other's tasks, results and errors; make every package use one (\`npm ls lovage\` shows who brings which).`,
  );
}
