import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createSerialization } from '../../../src/serialization/index.ts';
import { BodyTooLargeError, ConfigurationError, ContentRefusedError, DecodeError, EncodeError } from '../../../src/util/index.ts';
import { deliveries } from '../protocol/vectors.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json']);

describe('compression', () => {
  it.each([
    ['gzip', 'application/x-gzip', '789c'],
    ['zlib', 'application/x-gzip', '789c'],
    ['application/x-gzip', 'application/x-gzip', '789c'],
    ['brotli', 'application/x-brotli', ''],
    ['zstd', 'application/zstd', '28b52ffd'],
    ['zstandard', 'application/zstd', '28b52ffd'],
  ])('%s is written as %s and read by name and by MIME type', (name, mime, magic) => {
    const encoded = serialization.encode({ a: 'x'.repeat(500) }, 'json', name);
    expect(encoded.compression).toBe(mime);
    expect(Buffer.from(encoded.body).toString('hex').startsWith(magic)).toBe(true);
    for (const compression of [name, mime])
      expect(serialization.decode({ ...encoded, compression }, accept)).toEqual({ a: 'x'.repeat(500) });
  });

  it.each(['compression-zlib', 'compression-gzip', 'compression-brotli', 'compression-zstd', 'amqp-compression-zlib'])(
    '%s of Python is read',
    (name) => {
      const [captured] = deliveries(name);
      const { delivery, payload } = captured!;
      const compression = String(delivery.headers.compression);
      expect(serialization.decode({ body: delivery.body, ...delivery.properties, compression }, accept)).toEqual(
        JSON.parse(payload ?? ''),
      );
    },
  );

  it('reads a real gzip stream under the same name', () => {
    const body = gzipSync('[1]');
    expect(serialization.decode({ body, contentType: 'application/json', compression: 'gzip' }, accept)).toEqual([1]);
  });

  it('of bzip2 and lzma needs a registration, and then works', () => {
    const [captured] = deliveries('compression-bzip2');
    const { delivery, payload } = captured!;
    const input = { body: delivery.body, ...delivery.properties, compression: 'application/x-bz2' };
    expect(() => serialization.decode(input, accept)).toThrow(DecodeError);
    expect(() => serialization.decode(input, accept)).toThrow('registerCompression');
    for (const name of ['bzip2', 'bzip', 'lzma', 'xz'])
      expect(() => serialization.encode(1, 'json', name)).toThrow(ConfigurationError);
    const able = createSerialization();
    able.registerCompression({
      names: ['bzip2'],
      mime: 'application/x-bz2',
      compress: (body) => body,
      decompress: () => Buffer.from(payload ?? ''),
    });
    expect(able.decode(input, accept)).toEqual(JSON.parse(payload ?? ''));
  });

  it('by an unknown name is refused, with a suggestion', () => {
    expect(() => serialization.encode(1, 'json', 'gzp')).toThrow("Did you mean 'gzip'?");
    expect(() =>
      serialization.decode(
        { body: Buffer.from('1'), contentType: 'application/json', compression: 'application/x-nope' },
        accept,
      ),
    ).toThrow(DecodeError);
  });

  it('of garbage is a DecodeError', () => {
    for (const compression of ['gzip', 'brotli', 'zstd']) {
      expect(() =>
        serialization.decode({ body: Buffer.from('garbage'), contentType: 'application/json', compression }, accept),
      ).toThrow(DecodeError);
    }
  });
});

describe('the limit of size', () => {
  const small = createSerialization({ maxBytes: 1000 });

  it('holds for what comes', () => {
    expect(() => small.decode({ body: new Uint8Array(1001), contentType: 'application/json' }, accept)).toThrow(
      BodyTooLargeError,
    );
  });

  it.each(['gzip', 'brotli', 'zstd'])('holds for what %s makes of it', (name) => {
    const bomb = serialization.encode('x'.repeat(1_000_000), 'json', name);
    expect(bomb.body.byteLength).toBeLessThan(1100);
    const body = name === 'gzip' ? serialization.encode('x'.repeat(50_000), 'json', name).body : bomb.body;
    expect(() => small.decode({ ...bomb, body }, accept)).toThrow(BodyTooLargeError);
    expect(() => small.decode({ ...bomb, body }, accept)).toThrow(DecodeError);
  });
});

describe('the accept list', () => {
  it('takes names and MIME types', () => {
    expect([...serialization.accept(['json', 'application/x-yaml', 'application/x-other'])]).toEqual([
      'application/json',
      'application/x-yaml',
      'application/x-other',
    ]);
    expect(() => serialization.accept(['jsn'])).toThrow("Did you mean 'json'?");
  });

  it('refuses pickle by design, by either name', () => {
    for (const name of ['pickle', 'application/x-python-serialize']) {
      expect(() => serialization.accept([name])).toThrow('by design');
      expect(() => serialization.encode(1, name)).toThrow(ConfigurationError);
    }
    const [captured] = deliveries('serializer-pickle');
    const { delivery } = captured!;
    expect(() => serialization.decode({ body: delivery.body, ...delivery.properties }, accept)).toThrow(ContentRefusedError);
    expect(() => serialization.decode({ body: delivery.body, ...delivery.properties }, accept)).toThrow(
      'Refusing to deserialize untrusted content of type pickle (application/x-python-serialize)',
    );
  });

  it('refuses what is not in it', () => {
    expect(() => serialization.decode({ body: Buffer.from('a'), contentType: 'application/x-yaml' }, accept)).toThrow(
      'Refusing to deserialize untrusted content of type yaml (application/x-yaml)',
    );
    expect(() =>
      serialization.decode({ body: Buffer.from('a'), contentType: 'text/plain', contentEncoding: 'utf-8' }, accept),
    ).toThrow(ContentRefusedError);
  });

  it('always lets bytes and bare text through', () => {
    const body = Uint8Array.of(0xe9);
    expect(serialization.decode({ body, contentType: 'application/data', contentEncoding: 'binary' }, accept)).toEqual(body);
    expect(serialization.decode({ body, contentType: 'application/data', contentEncoding: 'latin-1' }, accept)).toBe('é');
    expect(serialization.decode({ body: Buffer.from('é') }, accept)).toBe('é');
    expect(() => serialization.decode({ body, contentType: 'application/data', contentEncoding: 'klingon' }, accept)).toThrow(
      DecodeError,
    );
    expect(() => serialization.decode({ body }, accept)).toThrow(DecodeError);
  });
});

describe('serializers', () => {
  it('raw takes bytes and text', () => {
    expect(serialization.encode(Uint8Array.of(1), 'raw')).toMatchObject({
      body: Uint8Array.of(1),
      contentType: 'application/data',
      contentEncoding: 'binary',
    });
    expect(() => serialization.encode([1], 'raw')).toThrow(EncodeError);
  });

  it('of the app are used by name and type, and their failures are ours', () => {
    const own = createSerialization();
    own.registerSerializer({
      name: 'upper',
      contentType: 'text/x-upper',
      contentEncoding: 'utf-8',
      encode: (value) => Buffer.from(String(value).toUpperCase()),
      decode: () => {
        throw new Error('cannot');
      },
    });
    const encoded = own.encode('a', 'upper');
    expect(encoded).toMatchObject({ body: Buffer.from('A'), contentType: 'text/x-upper' });
    expect(() => own.decode(encoded, own.accept(['upper']))).toThrow(DecodeError);
    expect(() => own.encode('a', 'uper')).toThrow("Did you mean 'upper'?");
  });
});
