import { Buffer } from 'node:buffer';
import { constants, createPrivateKey, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthSerializer, openCertificateStore, readSigner } from '../../../src/security/index.ts';
import { createSerialization, type Serialization } from '../../../src/serialization/index.ts';
import { type Clock, SignatureRefusedError, systemClock } from '../../../src/util/index.ts';
import { type CertificateOptions, makeCertificate, type Name, type Pair, pemOf, rsaPair } from '../../support/certificates.ts';
import { testFolder } from '../../support/folder.ts';
import { capture, deliveries } from '../protocol/vectors.ts';

const fixtures = join(import.meta.dirname, '../../support/keys');
const vector = capture('security-auth') as ReturnType<typeof capture> & {
  readonly decoded: unknown;
  readonly unpacked: Readonly<Record<string, string>>;
};
const SIGNER = vector.unpacked.signer as string;
// Dates of the fixture's certificate matter to nobody here.
const fixture = new X509Certificate(readFileSync(join(fixtures, 'test-cert.pem')));
const then: Clock = { now: () => fixture.validFromDate.getTime() / 1000 + 60, monotonic: () => 0 };
const pair: Pair = (() => {
  const pem = readFileSync(join(fixtures, 'test-key.pem'));
  return { privateKey: createPrivateKey(pem), publicKey: createPublicKey(pem) };
})();
const other = rsaPair();
const NAME: Name = [
  ['C', 'SE'],
  ['O', 'Smith, Sons + "Co"'],
  ['CN', 'prøve'],
];

interface Setup {
  readonly certificates?: Readonly<Record<string, string>>;
  readonly authorities?: string;
  readonly oldLayout?: boolean;
  readonly digest?: string;
  readonly serializer?: string;
  readonly allowed?: readonly string[];
  readonly clock?: Clock;
  readonly password?: string;
}

function setup(options: Setup = {}) {
  const folder = testFolder('auth');
  const clock = options.clock ?? systemClock;
  mkdirSync(join(folder, 'store'));
  const own = makeCertificate({ subject: NAME, pair, serial: 7n });
  const write = (file: string, text: string): string => {
    writeFileSync(join(folder, file), text);
    return join(folder, file);
  };
  for (const [file, text] of Object.entries(options.certificates ?? { 'own.pem': own })) write(join('store', file), text);
  const authorities = options.authorities === undefined ? undefined : write('ca.pem', options.authorities);
  const key = write('key.pem', pemOf(pair, options.password));
  const certificate = write('cert.pem', own);
  const serialization = createSerialization();
  const open = () => {
    const auth = createAuthSerializer({
      serialization,
      signer: readSigner({ key, certificate, password: options.password, clock: systemClock }),
      store: openCertificateStore({ path: join(folder, 'store'), authorities, clock }),
      digest: options.digest ?? 'sha256',
      serializer: options.serializer ?? 'json',
      allowed: options.allowed ?? ['json'],
      oldLayout: options.oldLayout ?? false,
    });
    serialization.registerSerializer(auth);
    return serialization;
  };
  return { folder, serialization, open, write };
}

const accept: ReadonlySet<string> = new Set(['application/data']);
const read = (serialization: Serialization, body: Uint8Array): unknown =>
  serialization.decode({ body, contentType: 'application/data', contentEncoding: 'utf-8' }, accept);

/** One field of a signed body replaced. */
function changed(body: Uint8Array, index: number, to: (field: Buffer) => Buffer): Buffer {
  const parts = Buffer.from(Buffer.from(body).toString('latin1'), 'base64').toString('latin1').split('\0\u0001');
  parts[index] = to(Buffer.from(parts[index] ?? '', 'latin1')).toString('latin1');
  return Buffer.from(Buffer.from(parts.join('\0\u0001'), 'latin1').toString('base64'));
}

describe('the serializer auth', () => {
  it('reads what Celery signed', () => {
    const serialization = createSerialization();
    const store = openCertificateStore({ path: join(fixtures, '*-cert.pem'), clock: then });
    const rest = { digest: 'sha256', serializer: 'json', allowed: ['json'], oldLayout: false };
    serialization.registerSerializer(createAuthSerializer({ serialization, signer: undefined, store, ...rest }));
    const [{ delivery } = { delivery: undefined }] = deliveries('security-auth');
    expect(delivery?.properties).toMatchObject({ contentType: 'application/data', contentEncoding: 'utf-8' });
    expect(read(serialization, delivery?.body ?? Buffer.alloc(0))).toEqual(vector.decoded);
    expect(store.find(SIGNER).id).toBe(SIGNER);
  });

  it('writes the layout of the vector, with a signature that its certificate verifies with the salt that Celery wants', () => {
    const { open } = setup();
    const encoded = open().encode([[2, 2], {}, null], 'auth');
    expect(encoded).toMatchObject({ contentType: 'application/data', contentEncoding: 'utf-8' });
    const outer = Buffer.from(encoded.body).toString('latin1');
    expect(outer).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
    const fields = Buffer.from(outer, 'base64').toString('latin1').split('\0\u0001');
    expect(fields).toHaveLength(5);
    const [signer = '', signature = '', type, encoding, inner = ''] = fields;
    expect(Buffer.from(signer, 'base64').toString()).toBe('SE Smith, Sons + "Co" prøve 7');
    expect([type, encoding, inner]).toEqual(['application/json', 'utf-8', '[[2,2],{},null]']);
    const pss = { key: pair.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 222 };
    expect(verify('sha256', Buffer.from(inner), pss, Buffer.from(signature, 'base64'))).toBe(true);
  });

  it.each([
    [true, 'sha256', 'json'],
    [false, 'sha512', 'json'],
    [false, 'sha3_256', 'msgpack'],
    [true, 'SHA384', 'yaml'],
  ])('reads what it wrote (old layout: %s, %s, %s)', (oldLayout, digest, serializer) => {
    const serialization = setup({ oldLayout, digest, serializer, allowed: [serializer] }).open();
    for (let round = 0; round < 50; round++) {
      const value = [[round, 'a\0\u0001b'], {}, null];
      expect(read(serialization, serialization.encode(value, 'auth').body)).toEqual(value);
    }
  });

  it('reads an encrypted key, and refuses it without its password', () => {
    const { open, folder } = setup({ password: 'horse staple' });
    expect(read(open(), open().encode([1], 'auth').body)).toEqual([1]);
    const files = { key: join(folder, 'key.pem'), certificate: join(folder, 'cert.pem'), clock: systemClock };
    expect(() => readSigner(files)).toThrow('set securityKeyPassword');
    expect(() => readSigner({ ...files, password: 'wrong' })).toThrow('securityKeyPassword does not open it');
  });
});

describe('what the serializer auth refuses', () => {
  const b64 = (text: string): Buffer => Buffer.from(Buffer.from(text).toString('base64'));
  interface Bodies {
    readonly good: Uint8Array;
    readonly old: Uint8Array;
  }
  it.each<[string, (bodies: Bodies) => Uint8Array, RegExp]>([
    ['a changed body', ({ good }) => changed(good, 4, () => Buffer.from('[[2],{},null]')), /does not fit the body/],
    ['the same in the old layout', ({ old }) => changed(old, 4, () => Buffer.from('[[2]]')), /does not fit|another length/],
    ['a changed signature', ({ good }) => changed(good, 1, (field) => b64(field.toString().slice(8))), /does not fit the body/],
    ['an unknown signer', ({ good }) => changed(good, 0, () => b64('Nobody 1')), /"Nobody 1" is not known/],
    ['one of the old layout', ({ old }) => changed(old, 0, () => Buffer.from('Nobody 1')), /not known|not a signed one/],
    ['an empty body', () => Buffer.alloc(0), /has 1 of 2 fields/],
    ['plain text', () => Buffer.from('[[1], {}, null]'), /not a signed one/],
    ['too few fields', () => b64('a\0\u0001b'), /has 1 of 4 fields/],
    [
      'a pickle inside',
      ({ good }) => changed(good, 2, () => Buffer.from('application/x-python-serialize')),
      /does not fit|are read/,
    ],
    ['a signed body inside', ({ good }) => changed(good, 2, () => Buffer.from('application/data')), /are read/],
  ])('%s', (_, make, words) => {
    const serialization = setup().open();
    const good = serialization.encode([[1], {}, null], 'auth').body;
    const old = setup({ oldLayout: true })
      .open()
      .encode([[1], {}, null], 'auth').body;
    const act = (): unknown => read(serialization, make({ good, old }));
    expect(act).toThrow(SignatureRefusedError);
    expect(act).toThrow(words);
  });

  it('a body signed with another digest, or by another key under a trusted name', () => {
    const serialization = setup().open();
    const good = serialization.encode([[1], {}, null], 'auth').body;
    expect(() => read(serialization, setup({ digest: 'sha512' }).open().encode(1, 'auth').body)).toThrow(
      /another digest than sha256/,
    );
    const forged = makeCertificate({ subject: NAME, pair: other, serial: 7n });
    expect(() => read(setup({ certificates: { 'a.pem': forged } }).open(), good)).toThrow(/does not fit/);
  });

  it('a certificate that is over, or not yet good, from the moment on', () => {
    let now = Date.now() / 1000;
    const signed = setup({ clock: { now: () => now, monotonic: () => 0 } }).open();
    const body = signed.encode(1, 'auth').body;
    expect(read(signed, body)).toBe(1);
    now += 86_400;
    expect(() => read(signed, body)).toThrow(/expired at/);
    now -= 2 * 86_400;
    expect(() => read(signed, body)).toThrow(/is good from/);
  });
});

describe('certificates', () => {
  const self = (options: Partial<CertificateOptions> = {}): string =>
    makeCertificate({ subject: NAME, pair, serial: 7n, ...options });

  it.each<[string, Setup['certificates'], RegExp]>([
    ['an empty store', {}, /no certificate file is/],
    ['something else in the store', { 'a.pem': 'hello' }, /holds no certificate in PEM/],
    ['a broken certificate', { 'a.pem': self().replace(/MII.{20}/, 'AAAA') }, /holds no valid certificate/],
    ['two of one id', { 'a.pem': self(), 'b.pem': self({ pair: other }) }, /the same issuer and serial number: SE Smith/],
    ['a short key', { 'a.pem': self({ pair: rsaPair(1024) }) }, /1024 bits; at least 2048/],
  ])('refuses %s', (_, certificates, words) => {
    expect(() => setup({ certificates: certificates ?? {} }).open()).toThrow(words);
  });

  it('refuses a key that belongs to another certificate, an expired one of its own, and a digest that nobody has', () => {
    const { folder, write } = setup();
    const files = { key: join(folder, 'key.pem'), clock: systemClock };
    const foreign = write('other.pem', self({ pair: other }));
    expect(() => readSigner({ ...files, certificate: foreign })).toThrow('does not belong to the certificate');
    const old = write('old.pem', self({ to: Date.now() / 1000 - 1 }));
    expect(() => readSigner({ ...files, certificate: old })).toThrow(/expired at .*Make a new one/);
    expect(() => setup({ digest: 'md5' }).open()).toThrow(/securityDigest is 'md5'/);
    expect(() => setup({ allowed: ['auth'] }).open()).toThrow(/needs certificates/);
  });

  it('takes a new certificate from the folder without a restart, and keeps the old ones when one is broken', () => {
    let now = Date.now() / 1000;
    const here = setup({
      clock: { now: () => now, monotonic: () => 0 },
      certificates: { 'b.pem': self({ pair: other, serial: 8n }) },
    });
    const reader = here.open();
    const body = setup().open().encode(1, 'auth').body;
    expect(() => read(reader, body)).toThrow(/not known here/);
    here.write('store/a.pem', self());
    // Looked at again after a while only: nobody makes us read files by sending nonsense.
    expect(() => read(reader, body)).toThrow(/not known here/);
    now += 11;
    expect(read(reader, body)).toBe(1);
    here.write('store/a.pem', 'nonsense');
    now += 11;
    expect(() =>
      read(
        reader,
        changed(body, 0, () => Buffer.from('Tm9ib2R5')),
      ),
    ).toThrow(/not known here/);
    expect(read(reader, body)).toBe(1);
    rmSync(here.folder, { recursive: true });
  });

  it('trusts only what the authorities have issued, over what stands between', () => {
    const root = { subject: [['CN', 'root']] as Name, pair: other };
    const between = { subject: [['CN', 'between']] as Name, pair: rsaPair() };
    const rootPem = makeCertificate({ ...root, ca: true });
    const betweenPem = makeCertificate({ ...between, issuer: root, ca: true });
    const leaf = makeCertificate({ subject: NAME, pair, serial: 7n, issuer: between });
    const chained = setup({ certificates: { 'leaf.pem': leaf + betweenPem }, authorities: rootPem });
    expect(() => chained.open()).not.toThrow();
    const apart = setup({ certificates: { 'leaf.pem': leaf, 'between.pem': betweenPem }, authorities: rootPem });
    expect(() => apart.open()).not.toThrow();
    for (const certificates of [{ 'a.pem': leaf }, { 'a.pem': self() }]) {
      expect(() => setup({ certificates, authorities: rootPem }).open()).toThrow(/does not come from the authorities/);
    }
    const liar = makeCertificate({ ...between, issuer: root });
    expect(() => setup({ certificates: { 'a.pem': leaf + liar }, authorities: rootPem }).open()).toThrow(/authorities/);
  });
});
