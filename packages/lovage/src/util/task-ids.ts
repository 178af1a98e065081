// Ids of new tasks. While a result store asks for it they begin alike, so that one subscription covers what is said of all of them.
import { uuid } from './ids.ts';

/** Hexadecimal digits and dashes at the begin that such ids share: 48 random bits; 74 more differ from id to id. */
const PREFIX_LENGTH = 13;

/** Ids of tasks that begin alike. */
export interface OwnIds {
  readonly prefix: string;
  /** From now on new tasks have such ids. */
  use(): void;
  release(): void;
}

let claimed: OwnIds | undefined;
let prefix = '';

/** A beginning that no id had before; undefined while somebody else in this process has one. */
export function claimIds(): OwnIds | undefined {
  if (claimed !== undefined) return undefined;
  const own: OwnIds = {
    prefix: uuid().slice(0, PREFIX_LENGTH),
    use: () => {
      if (claimed === own) prefix = own.prefix;
    },
    release: () => {
      if (claimed !== own) return;
      claimed = undefined;
      prefix = '';
    },
  };
  claimed = own;
  return own;
}

/** The id of a new task: a UUID version 4. */
export function taskUuid(): string {
  const id = uuid();
  return prefix === '' ? id : prefix + id.slice(PREFIX_LENGTH);
}
