// Certificates made where tests need them, with any dates and names: a few lines of DER and node:crypto, no program to start.
import { Buffer } from 'node:buffer';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const value = Buffer.concat(parts);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length);
  const bytes = size.subarray(size.findIndex((byte) => byte !== 0));
  const length = value.length < 0x80 ? Buffer.of(value.length) : Buffer.concat([Buffer.of(0x80 | bytes.length), bytes]);
  return Buffer.concat([Buffer.of(tag), length, value]);
};
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = rest.flatMap((part) => {
    const digits = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return der(0x06, Buffer.of(first * 40 + second, ...bytes));
}

function integer(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return der(0x02, (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

const OIDS: Readonly<Record<string, string>> = { C: '2.5.4.6', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3' };
export type Name = readonly (readonly [attribute: string, value: string])[];

const nameOf = (name: Name): Buffer =>
  sequence(
    ...name.map(([attribute, value]) => der(0x31, sequence(oid(OIDS[attribute] ?? attribute), der(0x0c, Buffer.from(value))))),
  );
const time = (epoch: number): Buffer =>
  // Two digits of the year, as it must be until 2049.
  der(
    0x17,
    Buffer.from(
      new Date(epoch * 1000)
        .toISOString()
        .slice(2)
        .replaceAll(/[-:T]|\.\d+/g, ''),
    ),
  );

export interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const rsaPair = (bits = 2048): Pair => generateKeyPairSync('rsa', { modulusLength: bits });

export interface CertificateOptions {
  readonly subject: Name;
  readonly pair: Pair;
  /** @default itself */
  readonly issuer?: { readonly subject: Name; readonly pair: Pair };
  readonly serial?: bigint;
  /** Epoch seconds. @default an hour ago, and in a day */
  readonly from?: number;
  readonly to?: number;
  readonly ca?: boolean;
  /** Names and addresses of a server. */
  readonly hosts?: readonly string[];
}

const RSA_SHA256 = sequence(oid('1.2.840.113549.1.1.11'), der(0x05));
const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), der(0x04, value));
const hostName = (host: string): Buffer =>
  isIP(host) === 4 ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host));

/** A certificate in PEM. */
export function makeCertificate(options: CertificateOptions): string {
  const { subject, pair, issuer = options, serial = 1n, ca = false, hosts = [] } = options;
  const now = Date.now() / 1000;
  const { from = now - 3600, to = now + 86_400 } = options;
  const extensions = [
    ...(ca ? [extension('2.5.29.19', sequence(der(0x01, Buffer.of(0xff))))] : []),
    ...(hosts.length === 0 ? [] : [extension('2.5.29.17', sequence(...hosts.map(hostName)))]),
  ];
  const body = sequence(
    der(0xa0, integer(2n)),
    integer(serial),
    RSA_SHA256,
    nameOf(issuer.subject),
    sequence(time(from), time(to)),
    nameOf(subject),
    pair.publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
  const signature = sign('sha256', body, issuer.pair.privateKey);
  const certificate = sequence(body, RSA_SHA256, der(0x03, Buffer.of(0), signature));
  return `-----BEGIN CERTIFICATE-----\n${(certificate.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** A private key in PEM, encrypted when there is a password. */
export function pemOf({ privateKey }: Pair, password?: string): string {
  if (password === undefined) return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password }).toString();
}
