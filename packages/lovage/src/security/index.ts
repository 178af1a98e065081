// Signed messages: the serializer `auth` (Celery's, with X.509 certificates) and the signature of headers (Lovage's own). Comes in:
// key and certificate files, values and messages. Goes out: signed bytes, or a SignatureRefusedError that says why not.
export { type AuthOptions, createAuthSerializer } from './auth.ts';
export {
  createHeaderSigner,
  createMessageGuard,
  createResigner,
  type MessageGuard,
  SIGNATURE_HEADER,
  type SignedMessage,
  type TakenMessage,
} from './header-signature.ts';
export { checkSigningKeys, type MessageKey, readKey, type SigningKey } from './keys.ts';
export { createSeals, type Seals } from './seal.ts';
export { type CertificateStore, openCertificateStore, readSigner, type Signer } from './store.ts';
