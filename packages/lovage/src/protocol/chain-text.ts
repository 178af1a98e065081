// The rest of a chain as the text that came: each step hands nearly all of it on unread, so reading and writing it anew would cost a chain
// of n steps n²/2 signatures. Made by serialization/json-chain.ts, handed on by task/follow.ts, written by app/prepare.ts.

/** What stands behind the next step of a chain: a JSON list, its LAST element the step after the next. */
export class ChainText {
  readonly text: string;
  readonly #read: (text: string) => readonly unknown[];

  /** `read` reads such a text as its serializer does, and throws what that throws. */
  constructor(text: string, read: (text: string) => readonly unknown[]) {
    this.text = text;
    this.#read = read;
  }

  /** Its signatures as they came, read anew each time. */
  values(): readonly unknown[] {
    return this.#read(this.text);
  }
}
