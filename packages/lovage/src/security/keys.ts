// Keys of header signatures, by id: a shared secret (HMAC-SHA256) or half of an Ed25519 pair, given as text or as a file.
import { Buffer } from 'node:buffer';
import { createHmac, createPrivateKey, createPublicKey, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigurationError } from '../util/index.ts';

/** A key as the setting `signingKeys` has it. */
export type SigningKey = string | { readonly file: string };

/** A key that signs and checks; one that is only the public half of a pair cannot sign. */
export interface MessageKey {
  sign(data: Buffer): Buffer;
  verify(data: Buffer, signature: Buffer): boolean;
}

/** Guessing a secret must cost more than breaking the hash. */
const LEAST_SECRET = 32;
const KEY_ID = /^[\w-]{1,64}$/;

/** What is wrong with a value of the setting, as the end of a sentence. */
export function checkSigningKeys(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'must be a map of key id to key';
  for (const [id, key] of Object.entries(value)) {
    if (!KEY_ID.test(id))
      return `must have key ids of up to 64 letters, digits, '_' and '-', not ${JSON.stringify(id.slice(0, 80))}`;
    const file = typeof key === 'object' && key !== null ? (key as { readonly file?: unknown }).file : undefined;
    if (typeof key !== 'string' && typeof file !== 'string') return `must give the key '${id}' as a text or as { file: 'path' }`;
    if (typeof key === 'string' && !key.includes('-----BEGIN') && Buffer.byteLength(key) < LEAST_SECRET)
      return `must give the key '${id}' at least ${LEAST_SECRET} bytes of secret (openssl rand -hex 32 makes one)`;
  }
  return undefined;
}

function hmacKey(secret: Buffer): MessageKey {
  const mac = (data: Buffer): Buffer => createHmac('sha256', secret).update(data).digest();
  return {
    sign: mac,
    verify: (data, signature) => {
      const own = mac(data);
      return own.length === signature.length && timingSafeEqual(own, signature);
    },
  };
}

function pairKey(id: string, pem: string): MessageKey {
  let secret: KeyObject | undefined;
  let open: KeyObject;
  try {
    secret = pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : undefined;
    open = createPublicKey(pem);
  } catch {
    // Without its cause: OpenSSL may quote what it read.
    throw new ConfigurationError(`The key '${id}' (setting signingKeys) is no key in PEM that can be read, or it is encrypted.`);
  }
  if (open.asymmetricKeyType !== 'ed25519')
    throw new ConfigurationError(
      `The key '${id}' (setting signingKeys) is of type ${open.asymmetricKeyType}; Ed25519 is needed (openssl genpkey -algorithm ed25519).`,
    );
  return {
    sign: (data) => {
      if (secret === undefined)
        throw new ConfigurationError(
          `The key '${id}' (setting signingKey) is a public key, which checks signatures and makes none.`,
        );
      return sign(null, data, secret);
    },
    verify: (data, signature) => verify(null, data, open, signature),
  };
}

/** The key of a setting. Reads its file. Throws ConfigurationError. */
export function readKey(id: string, key: SigningKey): MessageKey {
  const text = typeof key === 'string' ? key : readKeyFile(id, key.file);
  if (text.includes('-----BEGIN')) return pairKey(id, text);
  const secret = Buffer.from(text.trim());
  if (secret.length < LEAST_SECRET)
    throw new ConfigurationError(
      `The key '${id}' (setting signingKeys) has ${secret.length} bytes; at least ${LEAST_SECRET} are needed.`,
    );
  return hmacKey(secret);
}

function readKeyFile(id: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(
      `The file of the key '${id}' (setting signingKeys) cannot be read: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}
