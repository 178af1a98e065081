// The serializer `auth`: Celery's signed bodies. A body in another serializer, its signature (RSA-PSS over exactly these bytes) and the
// id of the certificate that checks it. Two layouts are on the wires of the world: Celery since 5.5 writes signer and signature as
// base64, before that as they are.
import { Buffer } from 'node:buffer';
import { constants, sign, verify } from 'node:crypto';
import type { Serialization, Serializer } from '../serialization/index.ts';
import { ConfigurationError, SignatureRefusedError } from '../util/index.ts';
import type { CertificateStore, Signer } from './store.ts';

export interface AuthOptions {
  readonly serialization: Serialization;
  /** Absent: nothing is signed here. */
  readonly signer: Signer | undefined;
  readonly store: CertificateStore;
  /** Python's name of a hash: sha256, sha3_256. */
  readonly digest: string;
  /** What is signed is written by this serializer. */
  readonly serializer: string;
  /** Names of serializers that may be inside. */
  readonly allowed: readonly string[];
  /** Written in the layout that Celery had before 5.5. */
  readonly oldLayout: boolean;
}

const SEPARATOR = Buffer.from([0, 1]);
const DIGESTS: readonly string[] = [
  ...['sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512_224', 'sha512_256'],
  ...['sha3_224', 'sha3_256', 'sha3_384', 'sha3_512'],
];

/** OpenSSL's name of a hash that Python knows as `name`. Throws ConfigurationError. */
export function digestOf(name: string): string {
  const known = name.toLowerCase().replaceAll('-', '_');
  if (!DIGESTS.includes(known))
    throw new ConfigurationError(`securityDigest is '${name}', which is no hash for signatures. Known: ${DIGESTS.join(', ')}.`);
  return known.replaceAll('_', '-');
}

interface Signed {
  readonly signer: string;
  readonly signature: Buffer;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly inner: Buffer;
}

const refused = (what: string): SignatureRefusedError =>
  new SignatureRefusedError(
    `The body is not a signed one: ${what}. Who sends here must write with the serializer 'auth' (task_serializer in Celery).`,
  );

/** Up to `count` fields; the last one may hold the separator itself. */
function split(bytes: Buffer, count: number): readonly Buffer[] {
  const fields: Buffer[] = [];
  let from = 0;
  while (fields.length < count - 1) {
    const at = bytes.indexOf(SEPARATOR, from);
    if (at < 0) throw refused(`it has ${fields.length + 1} of ${count} fields`);
    fields.push(bytes.subarray(from, at));
    from = at + SEPARATOR.length;
  }
  return [...fields, bytes.subarray(from)];
}

function unpack(body: Uint8Array, store: CertificateStore): Signed {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1');
  const bytes = Buffer.from(text, 'base64');
  const [name, rest] = split(bytes, 2) as [Buffer, Buffer];
  const plain = name.toString('utf8');
  if (store.has(plain)) return unpackOld(plain, rest, store.find(plain).size);
  const [signature, contentType, contentEncoding, inner] = split(rest, 4) as [Buffer, Buffer, Buffer, Buffer];
  const decoded = Buffer.from(name.toString('latin1'), 'base64').toString('utf8');
  return {
    // A signer of the old layout that nobody knows is told of by its name.
    signer: Buffer.from(decoded, 'utf8').toString('base64') === name.toString('latin1') ? decoded : plain,
    signature: Buffer.from(signature.toString('latin1'), 'base64'),
    contentType: contentType.toString('latin1'),
    contentEncoding: contentEncoding.toString('latin1'),
    inner,
  };
}

/** A signature as it is may hold the separator, so its length says where it ends. */
function unpackOld(signer: string, rest: Buffer, size: number): Signed {
  const end = size + SEPARATOR.length;
  if (!rest.subarray(size, end).equals(SEPARATOR)) throw refused('its signature has another length than its certificate makes');
  const [contentType, contentEncoding, inner] = split(rest.subarray(end), 3) as [Buffer, Buffer, Buffer];
  return {
    signer,
    signature: rest.subarray(0, size),
    contentType: contentType.toString('latin1'),
    contentEncoding: contentEncoding.toString('latin1'),
    inner,
  };
}

function pack({ signer, signature, contentType, contentEncoding, inner }: Signed, oldLayout: boolean): Buffer {
  const name = Buffer.from(signer, 'utf8');
  const fields = [
    oldLayout ? name : Buffer.from(name.toString('base64')),
    oldLayout ? signature : Buffer.from(signature.toString('base64')),
    Buffer.from(contentType),
    Buffer.from(contentEncoding),
    inner,
  ];
  const joined = Buffer.concat(fields.flatMap((field, index) => (index === 0 ? [field] : [SEPARATOR, field])));
  return Buffer.from(joined.toString('base64'), 'latin1');
}

/** The serializer. It takes over the content type `application/data`, as Celery's does. */
export function createAuthSerializer(options: AuthOptions): Serializer {
  const { serialization, signer, store, serializer, oldLayout } = options;
  const digest = digestOf(options.digest);
  const allowed = serialization.accept(options.allowed);
  serialization.serializer(serializer);
  for (const name of [serializer, ...options.allowed]) {
    if (name === 'auth' || name === 'raw' || name === 'application/data')
      throw new ConfigurationError(
        `'${name}' cannot be inside a signed message. Choose json, msgpack or yaml (securitySerializer, securityAcceptContent).`,
      );
  }
  return {
    name: 'auth',
    contentType: 'application/data',
    contentEncoding: 'utf-8',
    encode: (value) => {
      if (signer === undefined)
        throw new ConfigurationError(
          "The serializer 'auth' signs, which takes the settings securityKey and securityCertificate.",
        );
      const { body, contentType, contentEncoding } = serialization.encode(value, serializer);
      const inner = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      const signature = sign(digest, inner, {
        key: signer.key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN,
      });
      return pack({ signer: signer.id, signature, contentType, contentEncoding, inner }, oldLayout);
    },
    decode: (body) => {
      const { signer: by, signature, contentType, contentEncoding, inner } = unpack(body, store);
      const { key } = store.find(by);
      const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
      if (!verify(digest, inner, pss, signature)) {
        throw new SignatureRefusedError(
          `The signature of ${JSON.stringify(by)} does not fit the body: it was changed on its way, signed with another key, or with another digest than ${options.digest} (securityDigest).`,
        );
      }
      // Whoever signs may still not choose how its bytes are read.
      if (!allowed.has(contentType))
        throw new SignatureRefusedError(
          `${JSON.stringify(by)} signed a body of type ${JSON.stringify(contentType.slice(0, 100))}; inside signed messages only ${[...allowed].join(', ')} are read (securityAcceptContent).`,
        );
      return serialization.decode({ body: inner, contentType, contentEncoding }, allowed);
    },
  };
}
