// Signing set up from settings: the serializer `auth` of an app, and what `app.setupSecurity` makes of its options.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  createAuthSerializer,
  createHeaderSigner,
  createMessageGuard,
  createResigner,
  createSeals,
  type MessageGuard,
  type MessageKey,
  openCertificateStore,
  readKey,
  readSigner,
  type Seals,
  type SignedMessage,
} from '../security/index.ts';
import type { Serialization } from '../serialization/index.ts';
import { type Clock, ConfigurationError, globMatch, SignatureRefusedError } from '../util/index.ts';
import type { Config } from './config.ts';
import type { Settings } from './settings.ts';

/** Options of `app.setupSecurity`, with the names of Celery's; what is left out comes from the settings. */
export interface SecurityOptions {
  /** Serializers that may be inside signed messages. @default the setting securityAcceptContent */
  readonly allowedSerializers?: readonly string[];
  /** File of the private key. @default the setting securityKey */
  readonly key?: string;
  /** @default the setting securityKeyPassword */
  readonly keyPassword?: string | Uint8Array;
  /** File of the certificate. @default the setting securityCertificate */
  readonly cert?: string;
  /** Folder or glob of trusted certificates. @default the setting securityCertStore */
  readonly store?: string;
  /** @default the setting securityDigest */
  readonly digest?: string;
  /** What is signed is written by this serializer. @default the setting securitySerializer */
  readonly serializer?: string;
}

/** Adds the serializer `auth` where the settings name certificates. Reads their files. Throws ConfigurationError. */
export function addSigning(serialization: Serialization, settings: Settings, clock: Clock): void {
  const { securityCertStore: path, securityKey: key, securityCertificate: certificate } = settings;
  if (path === null) return;
  const store = openCertificateStore({ path, authorities: settings.securityCertAuthorities ?? undefined, clock });
  const password = settings.securityKeyPassword ?? undefined;
  const signer = key === null || certificate === null ? undefined : readSigner({ key, password, certificate, clock });
  const auth = createAuthSerializer({
    serialization,
    signer,
    store,
    digest: settings.securityDigest,
    serializer: settings.securitySerializer,
    allowed: settings.securityAcceptContent,
    oldLayout: settings.securityOldLayout,
  });
  serialization.registerSerializer(auth);
}

/** What signs the headers of this app's messages; undefined when the setting signingKey names no key. Throws ConfigurationError. */
export function headerSignerOf(settings: Settings, clock: Clock): ((message: SignedMessage) => string) | undefined {
  const { signingKey: id, signingKeys } = settings;
  const key = id === null ? undefined : signingKeys[id];
  return id === null || key === undefined ? undefined : createHeaderSigner({ id, key: readKey(id, key), clock });
}

const readKeys = (keys: Settings['signingKeys']): ReadonlyMap<string, MessageKey> =>
  new Map(Object.entries(keys).map(([id, key]) => [id, readKey(id, key)]));

/** Signs messages anew that are sent again; undefined when this app signs nothing. `leads` says whether messages of an exchange come to a queue. */
export function resignerOf(
  settings: Settings,
  clock: Clock,
  leads: (exchange: string, queue: string) => boolean,
): ReturnType<typeof createResigner> | undefined {
  const sign = headerSignerOf(settings, clock);
  return sign === undefined ? undefined : createResigner({ keys: readKeys(settings.signingKeys), sign, leads });
}

/**
 * What signs and checks what this app keeps in stores and sends later under its own signature: whoever writes there without a key must not
 * get one. By the key of header signatures, else by the certificate of the serializer `auth`; undefined when this app signs nothing.
 */
export function sealsOf(settings: Settings, serialization: Serialization, clock: Clock): Seals | undefined {
  const { signingKey: id, signingKeys, taskSerializer, securityKey } = settings;
  const keys = readKeys(signingKeys);
  const key = id === null ? undefined : keys.get(id);
  if (id !== null && key !== undefined) return createSeals({ id, key, keys, clock });
  return taskSerializer === 'auth' && securityKey !== null ? certificateSeals(serialization) : undefined;
}

/** A seal is a signed body that says what it is for; the text itself is in it by its digest. */
function certificateSeals(serialization: Serialization): Seals {
  const accept = serialization.accept(['auth']);
  const statement = (purpose: readonly string[], text: string): string =>
    JSON.stringify(['lovage-seal-1', ...purpose, createHash('sha256').update(text).digest('hex')]);
  return {
    seal: (purpose, text) => Buffer.from(serialization.encode(statement(purpose, text), 'auth').body).toString('latin1'),
    check: (purpose, text, seal) => {
      const body = Buffer.from(seal, 'latin1');
      const said = serialization.decode({ body, contentType: 'application/data', contentEncoding: 'utf-8' }, accept);
      if (said !== statement(purpose, text))
        throw new SignatureRefusedError('The signature does not fit: it was changed, or signed for something else.');
    },
  };
}

/**
 * What checks the headers of messages in a worker; undefined when the setting signingRequired is off. `leads` says whether messages of an
 * exchange come to a queue. Throws ConfigurationError.
 */
export function messageGuardOf(
  settings: Settings,
  clock: Clock,
  leads: (exchange: string, queue: string) => boolean,
): MessageGuard | undefined {
  const { signingRequired: required, signingKeys, signingWindow: window } = settings;
  if (required === false) return undefined;
  const keys = readKeys(signingKeys);
  const covers = (queue: string): boolean => required === true || required.some((pattern) => globMatch(pattern, queue));
  return createMessageGuard({ keys, covers, window, clock, leads });
}

/** Takes the options of `app.setupSecurity` into the settings, and switches signing on where the settings do not speak of it. */
export function setUpSecurity(conf: Config, options: SecurityOptions): void {
  conf.update({
    ...(options.key === undefined ? {} : { securityKey: options.key }),
    ...(options.keyPassword === undefined ? {} : { securityKeyPassword: options.keyPassword }),
    ...(options.cert === undefined ? {} : { securityCertificate: options.cert }),
    ...(options.store === undefined ? {} : { securityCertStore: options.store }),
    ...(options.digest === undefined ? {} : { securityDigest: options.digest }),
    ...(options.serializer === undefined ? {} : { securitySerializer: options.serializer }),
    ...(options.allowedSerializers === undefined ? {} : { securityAcceptContent: [...options.allowedSerializers] }),
  });
  // Results are read by whoever asks, signed or not: Celery, too, leaves them alone.
  conf.addDefaults({ taskSerializer: 'auth', acceptContent: ['auth'], resultAcceptContent: ['json', 'auth'] });
  const { taskSerializer, acceptContent } = conf.values;
  if (taskSerializer !== 'auth' || acceptContent.join() !== 'auth') {
    const [name, value] =
      taskSerializer === 'auth' ? ['acceptContent', JSON.stringify(acceptContent)] : ['taskSerializer', `'${taskSerializer}'`];
    throw new ConfigurationError(
      `setupSecurity signs what is sent and accepts only what is signed, but ${name} is ${value} (from ${conf.originOf(name)}). Take it out there, or write taskSerializer: 'auth' and acceptContent: ['auth'].`,
    );
  }
}
