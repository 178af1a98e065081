// Seals: a signature over a text that is kept somewhere (a schedule store), with what it is for, so that it counts nowhere else. By the
// keys of header signatures.
import { Buffer } from 'node:buffer';
import { type Clock, SignatureRefusedError } from '../util/index.ts';
import type { MessageKey } from './keys.ts';

/** Makes and checks the seals of an app. */
export interface Seals {
  /** `purpose`: what it is for, such as which app and entry. */
  seal(purpose: readonly string[], text: string): string;
  /** Throws SignatureRefusedError, unless the seal was made for this text and this purpose by a known key. */
  check(purpose: readonly string[], text: string, seal: string): void;
}

export interface SealsOptions {
  /** Id of the key that seals. */
  readonly id: string;
  readonly key: MessageKey;
  /** Those whose seals count. */
  readonly keys: ReadonlyMap<string, MessageKey>;
  readonly clock: Clock;
}

const SEAL = /^1\.([\w-]{1,64})\.(\d{1,12})\.([\w-]{1,1024})$/;

/** First of the list, so that no signature of a message is one of a seal. */
const KIND = 'lovage-seal-1';

function statement(id: string, time: string, purpose: readonly string[], text: string): Buffer {
  return Buffer.from(JSON.stringify([KIND, id, time, purpose, text]));
}

/** The seals of one key, and what checks those of several. */
export function createSeals({ id, key, keys, clock }: SealsOptions): Seals {
  return {
    seal: (purpose, text) => {
      const time = String(Math.floor(clock.now()));
      return `1.${id}.${time}.${key.sign(statement(id, time, purpose, text)).toString('base64url')}`;
    },
    check: (purpose, text, seal) => {
      const [, by, time, signature] = SEAL.exec(seal) ?? [];
      if (by === undefined || time === undefined || signature === undefined)
        throw new SignatureRefusedError('The signature is none that this version reads.');
      const known = keys.get(by);
      if (known === undefined)
        throw new SignatureRefusedError(`It is signed with the key '${by}', which signingKeys does not have.`);
      if (!known.verify(statement(by, time, purpose, text), Buffer.from(signature, 'base64url')))
        throw new SignatureRefusedError(
          `The signature (key '${by}') does not fit: it was changed, or signed for something else.`,
        );
    },
  };
}
