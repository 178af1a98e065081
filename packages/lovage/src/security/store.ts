// Whose signatures are trusted: certificates from files, with the time in which each is good. Read at the start and again when a signer
// comes that nobody knows yet, so that a new certificate takes effect by being put there.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { globSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Clock, ConfigurationError, logger, SignatureRefusedError } from '../util/index.ts';
import { certificateId } from './der.ts';

/** A certificate that may sign. */
export interface TrustedCertificate {
  readonly id: string;
  readonly key: KeyObject;
  /** Bytes of a signature. */
  readonly size: number;
}

/** Certificates by id. */
export interface CertificateStore {
  /** Throws SignatureRefusedError for one that is unknown, or not good at this moment. */
  find(id: string): TrustedCertificate;
  /** The same without a reason. */
  has(id: string): boolean;
}

/** What signs here. */
export interface Signer {
  readonly id: string;
  readonly key: KeyObject;
}

export interface StoreOptions {
  /** A folder, or a glob of files. */
  readonly path: string;
  /** The authorities that must have issued what is in the store: a file, a folder or a glob. @default any certificate in the store is trusted */
  readonly authorities?: string | undefined;
  readonly clock: Clock;
}

interface Entry extends TrustedCertificate {
  readonly file: string;
  readonly fingerprint: string;
  /** Epoch seconds. */
  readonly from: number;
  readonly until: number;
}

const log = logger('security');

/** Below this a signature can be forged by whoever really wants to. */
const LEAST_BITS = 2048;
const LONGEST_CHAIN = 8;
/** Seconds between two looks at the folder because of signers that nobody knows. */
const REREAD = 10;

const PEM = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

const seconds = (text: string): number => Date.parse(text) / 1000;
const day = (epoch: number): string => new Date(epoch * 1000).toISOString();

function readText(what: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`${what} '${file}' cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** All certificates of a PEM file: the first is its own, others are of those who issued it. */
function certificatesOf(file: string): readonly [X509Certificate, ...X509Certificate[]] {
  const [first, ...others] = readText('The certificate', file).match(PEM) ?? [];
  if (first === undefined) throw new ConfigurationError(`'${file}' holds no certificate in PEM (-----BEGIN CERTIFICATE-----).`);
  try {
    return [new X509Certificate(first), ...others.map((pem) => new X509Certificate(pem))];
  } catch (error) {
    throw new ConfigurationError(`'${file}' holds no valid certificate: ${(error as Error).message}`, { cause: error });
  }
}

function publicKeyOf(certificate: X509Certificate, file: string): KeyObject {
  const { publicKey } = certificate;
  const bits = publicKey.asymmetricKeyDetails?.modulusLength;
  if (publicKey.asymmetricKeyType !== 'rsa' || bits === undefined)
    throw new ConfigurationError(
      `The certificate '${file}' has no RSA key (it has ${publicKey.asymmetricKeyType}): Celery signs with RSA only.`,
    );
  if (bits < LEAST_BITS)
    throw new ConfigurationError(
      `The certificate '${file}' has an RSA key of ${bits} bits; at least ${LEAST_BITS} are needed. Make a new pair.`,
    );
  return publicKey;
}

/** Files of a folder or a glob; what is hidden and what is no file does not count. */
function filesOf(path: string): readonly string[] {
  const pattern = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? join(path, '*') : path;
  return globSync(pattern)
    .filter((file) => !basename(file).startsWith('.') && statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    .sort();
}

/** When a certificate and those above it are good; a text when nothing leads to an authority. */
function chainOf(
  leaf: X509Certificate,
  between: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): { readonly from: number; readonly until: number } | string {
  let current = leaf;
  let from = seconds(leaf.validFrom);
  let until = seconds(leaf.validTo);
  for (let step = 0; step < LONGEST_CHAIN; step++) {
    const issued = (issuer: X509Certificate): boolean =>
      issuer.ca && current.checkIssued(issuer) && current.verify(issuer.publicKey);
    const root = roots.find(issued);
    const issuer = root ?? between.find(issued);
    if (issuer === undefined) return 'no certificate here has issued it';
    from = Math.max(from, seconds(issuer.validFrom));
    until = Math.min(until, seconds(issuer.validTo));
    if (root !== undefined) return { from, until };
    current = issuer;
  }
  return `the chain is longer than ${LONGEST_CHAIN}`;
}

function readStore({ path, authorities }: StoreOptions): ReadonlyMap<string, Entry> {
  const files = filesOf(path);
  if (files.length === 0)
    throw new ConfigurationError(`The setting securityCertStore names '${path}', where no certificate file is.`);
  const roots = authorities === undefined ? undefined : filesOf(authorities).flatMap((file) => certificatesOf(file));
  if (roots?.length === 0)
    throw new ConfigurationError(`The setting securityCertAuthorities names '${authorities}', where no certificate file is.`);
  const read = files.map((file) => ({ file, chain: certificatesOf(file) }));
  const between = read.flatMap(({ chain }) => chain);
  const entries = new Map<string, Entry>();
  for (const { file, chain } of read) {
    const [certificate] = chain;
    const span =
      roots === undefined
        ? { from: seconds(certificate.validFrom), until: seconds(certificate.validTo) }
        : chainOf(certificate, between, roots);
    if (typeof span === 'string') {
      throw new ConfigurationError(
        `The certificate '${file}' does not come from the authorities in '${authorities}' (setting securityCertAuthorities): ${span}.`,
      );
    }
    // Those that only issue others need no key that signs messages.
    if (roots !== undefined && certificate.ca) continue;
    const key = publicKeyOf(certificate, file);
    const size = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
    const id = certificateId(certificate.raw);
    const known = entries.get(id);
    if (known !== undefined && known.fingerprint !== certificate.fingerprint256)
      throw new ConfigurationError(
        `The certificates '${known.file}' and '${file}' have the same issuer and serial number: ${id}.`,
      );
    entries.set(id, { id, key, size, file, fingerprint: certificate.fingerprint256, ...span });
  }
  return entries;
}

/** Reads the certificates of a folder or glob. Throws ConfigurationError when one of them is no certificate. */
export function openCertificateStore(options: StoreOptions): CertificateStore {
  const { clock } = options;
  let entries = readStore(options);
  let readAt = clock.now();
  for (const { id, file, until } of entries.values()) {
    if (until <= readAt)
      log.warning('The certificate {id} in {file} expired at {until}: what it signs is refused.', {
        id,
        file,
        until: day(until),
      });
  }
  const lookAgain = (): void => {
    if (clock.now() - readAt < REREAD) return;
    readAt = clock.now();
    try {
      entries = readStore(options);
    } catch (error) {
      log.error('The certificates cannot be read again, so those that were known stay: {error}', { error });
    }
  };
  const entryOf = (id: string): Entry | undefined => {
    if (!entries.has(id)) lookAgain();
    return entries.get(id);
  };
  return {
    has: (id) => entries.has(id),
    find: (id) => {
      const entry = entryOf(id);
      if (entry === undefined)
        throw new SignatureRefusedError(
          `The signer ${JSON.stringify(id.slice(0, 200))} is not known here. Put its certificate into securityCertStore if you trust it.`,
        );
      const now = clock.now();
      if (now >= entry.until)
        throw new SignatureRefusedError(`The certificate of the signer ${JSON.stringify(id)} expired at ${day(entry.until)}.`);
      if (now < entry.from)
        throw new SignatureRefusedError(
          `The certificate of the signer ${JSON.stringify(id)} is good from ${day(entry.from)} only.`,
        );
      return entry;
    },
  };
}

export interface SignerOptions {
  readonly key: string;
  readonly password?: string | Uint8Array | undefined;
  readonly certificate: string;
  readonly clock: Clock;
}

/** Reads the key and the certificate of this sender. Throws ConfigurationError when they are no pair, or no longer good. */
export function readSigner({ key: keyFile, password, certificate: file, clock }: SignerOptions): Signer {
  const key = privateKeyOf(keyFile, password);
  const [certificate] = certificatesOf(file);
  publicKeyOf(certificate, file);
  if (!certificate.checkPrivateKey(key))
    throw new ConfigurationError(
      `The key '${keyFile}' (securityKey) does not belong to the certificate '${file}' (securityCertificate).`,
    );
  if (seconds(certificate.validTo) <= clock.now())
    throw new ConfigurationError(
      `The certificate '${file}' (securityCertificate) expired at ${day(seconds(certificate.validTo))}: nobody accepts what it signs. Make a new one.`,
    );
  return { id: certificateId(certificate.raw), key };
}

function privateKeyOf(file: string, password: string | Uint8Array | undefined): KeyObject {
  const key = readText('The key', file);
  try {
    const passphrase = password === undefined || typeof password === 'string' ? password : Buffer.from(password);
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === 'ERR_MISSING_PASSPHRASE' || (password === undefined && key.includes('ENCRYPTED'))
        ? 'it is encrypted: set securityKeyPassword'
        : /decrypt|passphrase|password/i.test(message)
          ? 'securityKeyPassword does not open it'
          : message;
    // Without its cause: a message of OpenSSL may quote what it read.
    throw new ConfigurationError(`The key '${file}' (securityKey) cannot be used: ${hint}.`);
  }
}
