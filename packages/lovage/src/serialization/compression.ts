// Compression by kombu's names. `gzip` and `zlib` are both a zlib stream under the MIME name application/x-gzip, because that is
// what kombu sends and reads; a real gzip stream is read too.
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateSync,
  gunzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Compression } from './seam.ts';

const isGzip = (body: Uint8Array): boolean => body[0] === 0x1f && body[1] === 0x8b;

/** The compressions that Node has. */
export const BUILT_IN_COMPRESSIONS: readonly Compression[] = [
  {
    names: ['zlib', 'gzip'],
    mime: 'application/x-gzip',
    compress: (body) => deflateSync(body),
    decompress: (body, maxOutputLength) => (isGzip(body) ? gunzipSync : inflateSync)(body, { maxOutputLength }),
  },
  {
    names: ['brotli'],
    mime: 'application/x-brotli',
    compress: (body) => brotliCompressSync(body),
    decompress: (body, maxOutputLength) => brotliDecompressSync(body, { maxOutputLength }),
  },
  {
    names: ['zstd', 'zstandard'],
    mime: 'application/zstd',
    compress: (body) => zstdCompressSync(body),
    decompress: (body, maxOutputLength) => zstdDecompressSync(body, { maxOutputLength }),
  },
];

/** Those that kombu knows and Node does not: told apart from mere slips of the pen. */
export const FOREIGN_COMPRESSIONS: readonly Pick<Compression, 'names' | 'mime'>[] = [
  { names: ['bzip2', 'bzip'], mime: 'application/x-bz2' },
  { names: ['lzma', 'xz'], mime: 'application/x-lzma' },
];
