import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Lovage, type SecurityOptions } from '../../../src/index.ts';

const fixtures = join(import.meta.dirname, '../../support/keys');
const FILES = {
  key: join(fixtures, 'test-key.pem'),
  cert: join(fixtures, 'test-cert.pem'),
  store: join(fixtures, '*-cert.pem'),
} satisfies SecurityOptions;
const setup = (settings: ConstructorParameters<typeof Lovage>[1] = {}): Lovage =>
  new Lovage('signed', { brokerUrl: 'memory://', resultBackend: 'memory://', ...settings }, { environment: {} });

it('setupSecurity signs and accepts signed tasks only, and leaves results as they are', async () => {
  await using app = setup();
  app.setupSecurity(FILES);
  expect(app.settings).toMatchObject({ taskSerializer: 'auth', acceptContent: ['auth'], resultSerializer: 'json' });
  const accept = app.serialization.accept(app.settings.acceptContent);
  const encoded = app.serialization.encode([1], 'auth');
  expect(app.serialization.decode(encoded, accept)).toEqual([1]);
});

it('the settings alone do the same, and a change of them counts', async () => {
  await using app = setup({
    taskSerializer: 'auth',
    acceptContent: ['auth'],
    securityKey: FILES.key,
    securityCertificate: FILES.cert,
    securityCertStore: FILES.store,
  });
  const before = app.serialization.encode([1], 'auth').body;
  app.conf.update({ securityOldLayout: true });
  const after = app.serialization.encode([1], 'auth').body;
  expect(after.byteLength).toBeLessThan(before.byteLength);
});

it.each<[ConstructorParameters<typeof Lovage>[1], SecurityOptions, RegExp]>([
  [{}, {}, /acceptContent lists 'auth', which verifies signed messages, but securityCertStore is not set/],
  [{}, { store: FILES.store }, /taskSerializer is 'auth'.* securityKey and securityCertificate is not set/],
  [{ acceptContent: ['json'] }, FILES, /acceptContent is \["json"\] \(from the constructor\)/],
  [{ taskSerializer: 'json' }, FILES, /taskSerializer is 'json' \(from the constructor\)/],
  [{}, { ...FILES, key: '/nowhere/key.pem' }, /The key '\/nowhere\/key.pem' cannot be read/],
  [{}, { ...FILES, digest: 'crc32' }, /securityDigest is 'crc32'/],
  [{}, { ...FILES, serializer: 'raw' }, /'raw' cannot be inside a signed message/],
])('%o with %o is refused', async (settings, options, words) => {
  await using app = setup(settings);
  expect(() => app.setupSecurity(options)).toThrow(words);
});
