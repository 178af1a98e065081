// What people changed at run time, as a store keeps it. Where the app signs what it sends, its edits are signed too: beat signs the runs of
// entries, and whoever can write into the store but has no key must not get a signature that way.
import { type Lovage, sealsOf } from '../app/index.ts';
import { SignatureRefusedError } from '../util/index.ts';
import { type EntryEdit, readEdit, readSealed } from './state.ts';

/** Writes and reads edits of one app. */
export interface Edits {
  write(name: string, edit: EntryEdit): string;
  /** undefined for what cannot be read. Throws SignatureRefusedError for what is not signed and must be. */
  read(name: string, text: string): EntryEdit | undefined;
}

export function editsOf(app: Lovage): Edits {
  const seals = sealsOf(app.settings, app.serialization, app.time);
  const purpose = (name: string): readonly string[] => ['beat', app.name, name];
  return {
    write: (name, edit) => {
      const text = JSON.stringify(edit);
      return seals === undefined ? text : JSON.stringify({ sealed: text, seal: seals.seal(purpose(name), text) });
    },
    read: (name, text) => {
      const found = readSealed(text);
      if (seals === undefined) return readEdit(found?.sealed ?? text);
      if (found === undefined)
        throw new SignatureRefusedError(
          'It was written without a signature, and this app signs what it sends: remove it, and add it by a program that has the signing key.',
        );
      seals.check(purpose(name), found.sealed, found.seal);
      return readEdit(found.sealed);
    },
  };
}
