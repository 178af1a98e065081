/** Printable ASCII but for what JSON escapes: ids, names, and nearly all that people call things. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A text as JSON: what JSON.stringify says, which takes twice as long for a short one (bench row redis-enqueue-bulk). */
export function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
