// Which serializer and which compression: the tables behind encode and decode, the accept list, and the limit of size.
import { type ChainText, isRecord } from '../protocol/index.ts';
import {
  BodyTooLargeError,
  ConfigurationError,
  ContentError,
  ContentRefusedError,
  DecodeError,
  didYouMean,
} from '../util/index.ts';
import { BUILT_IN_COMPRESSIONS, FOREIGN_COMPRESSIONS } from './compression.ts';
import { type JsonTypes, jsonSerializer } from './json.ts';
import { msgpackSerializer } from './msgpack.ts';
import { decodeRaw, rawSerializer, textSerializer } from './raw.ts';
import type { BodyRead, Compression, Encoded, EncodedInput, JsonType, Serializer } from './seam.ts';
import { yamlSerializer } from './yaml.ts';

export interface SerializationOptions {
  /** How json writes dates, decimals, UUIDs and bytes: `tagged` as kombu does since 5.3, `plain` as it did before. @default 'tagged' */
  readonly jsonTypes?: JsonTypes;
  /** Largest body read, in bytes, before and after decompression. @default 104_857_600 (100 MiB) */
  readonly maxBytes?: number;
}

/** Everything that turns values into bodies and back. One per app. */
export interface Serialization {
  /** Throws EncodeError, BodyTooLargeError, and ConfigurationError when a name is not known. */
  encode(value: unknown, serializer: string, compression?: string): Encoded;
  /** The body of a task as writeTaskBody makes it, its chain null, with what is `behind` in its place. Throws as `encode` does. */
  encodeBody(value: readonly unknown[], behind: ChainText, serializer: string, compression?: string): Encoded;
  /** Throws ContentRefusedError, BodyTooLargeError or DecodeError, whatever comes. `accept` holds MIME types (see `accept`). */
  decode(input: EncodedInput, accept: ReadonlySet<string>): unknown;
  /** The body of a task, whose chain may stay text but for its next step. Throws as `decode` does. */
  decodeBody(input: EncodedInput, accept: ReadonlySet<string>): BodyRead;
  /** MIME types of a list of names or MIME types, as the setting acceptContent holds them. Throws ConfigurationError for an unknown name. */
  accept(names: readonly string[]): ReadonlySet<string>;
  /** The serializer of a name or MIME type. Throws ConfigurationError. */
  serializer(name: string): Serializer;
  /** Adds a serializer, or replaces the one of that name. */
  registerSerializer(serializer: Serializer): void;
  /** Adds a compression (bzip2 and lzma need one from a package of your choice), or replaces the one of that name. */
  registerCompression(compression: Compression): void;
  /** Teaches json a type of your own; kombu's `register_type` is the twin on the other side. */
  registerType<T>(type: JsonType<T>): void;
}

/** Always let through, as kombu does: bytes and texts that nobody interprets. */
const TRUSTED: ReadonlySet<string> = new Set(['application/data', 'application/text']);
const PICKLE = { name: 'pickle', mime: 'application/x-python-serialize' };

const NO_PICKLE =
  'pickle is refused by design: reading it runs whatever code the sender chose. Use json, msgpack or yaml on both sides (task_serializer, result_serializer)';

class Registry implements Serialization {
  readonly #maxBytes: number;
  readonly #jsonTypes: JsonTypes;
  readonly #types: JsonType[] = [];
  /** By name and by MIME type. */
  readonly #serializers = new Map<string, Serializer>();
  readonly #compressions = new Map<string, Compression>();

  constructor(options: SerializationOptions) {
    this.#maxBytes = options.maxBytes ?? 100 * 1024 * 1024;
    this.#jsonTypes = options.jsonTypes ?? 'tagged';
    const json = jsonSerializer(this.#jsonTypes, this.#types);
    for (const serializer of [rawSerializer, textSerializer, json, msgpackSerializer, yamlSerializer])
      this.registerSerializer(serializer);
    for (const compression of BUILT_IN_COMPRESSIONS) this.registerCompression(compression);
  }

  registerSerializer(serializer: Serializer): void {
    this.#serializers.set(serializer.name, serializer);
    this.#serializers.set(serializer.contentType, serializer);
  }

  registerCompression(compression: Compression): void {
    for (const name of [...compression.names, compression.mime]) this.#compressions.set(name, compression);
  }

  registerType<T>(type: JsonType<T>): void {
    this.#types.unshift(type as unknown as JsonType);
    this.registerSerializer(jsonSerializer(this.#jsonTypes, this.#types));
  }

  serializer(name: string): Serializer {
    const found = this.#serializers.get(name);
    if (found !== undefined) return found;
    if (name === 'auth')
      throw new ConfigurationError(
        "The serializer 'auth' needs certificates: set securityCertStore, and securityKey and securityCertificate to sign.",
      );
    if (name === PICKLE.name || name === PICKLE.mime) throw new ConfigurationError(NO_PICKLE);
    const names = [...this.#serializers.keys()].filter((known) => !known.includes('/'));
    throw new ConfigurationError(`No serializer is called '${name}'.${didYouMean(name, names)} Known: ${names.join(', ')}`);
  }

  accept(names: readonly string[]): ReadonlySet<string> {
    // A MIME type that nobody here reads may stand in a list shared with Python; a mere name must be known.
    return new Set(names.map((name) => (name.includes('/') && name !== PICKLE.mime ? name : this.serializer(name).contentType)));
  }

  encode(value: unknown, name: string, compression?: string): Encoded {
    const serializer = this.#serializers.get(name) ?? this.serializer(name);
    return this.#encoded(serializer, serializer.encode(value), compression);
  }

  encodeBody(value: readonly unknown[], behind: ChainText, name: string, compression?: string): Encoded {
    const serializer = this.#serializers.get(name) ?? this.serializer(name);
    const body = serializer.chains?.encode(value, behind) ?? serializer.encode(withChain(value, behind));
    return this.#encoded(serializer, body, compression);
  }

  #encoded(serializer: Serializer, body: Uint8Array, compression: string | undefined): Encoded {
    // Nobody who keeps to the same limit could read it.
    if (body.byteLength > this.#maxBytes) {
      throw new BodyTooLargeError(
        `The body has ${body.byteLength} bytes; the limit (setting maxBodyBytes) is ${this.#maxBytes}. Send a reference to the data, or raise the limit here and where it is read.`,
      );
    }
    const { contentType, contentEncoding } = serializer;
    if (compression === undefined) return { body, contentType, contentEncoding, compression };
    const method = this.#compression(compression);
    return { body: method.compress(body), contentType, contentEncoding, compression: method.mime };
  }

  #compression(name: string): Compression {
    const found = this.#compressions.get(name);
    if (found !== undefined) return found;
    const foreign = FOREIGN_COMPRESSIONS.some((known) => known.mime === name || known.names.includes(name));
    if (foreign)
      throw new ConfigurationError(
        `The compression '${name}' is not part of Node; add one with app.serialization.registerCompression({ names, mime, compress, decompress }), or let the sender use zlib, brotli or zstd`,
      );
    const names = [...this.#compressions.keys()].filter((known) => !known.includes('/'));
    throw new ConfigurationError(`No compression is called '${name}'.${didYouMean(name, names)} Known: ${names.join(', ')}`);
  }

  decode(input: EncodedInput, accept: ReadonlySet<string>): unknown {
    return this.#decoded(input, accept, (serializer, body, encoding) => serializer.decode(body, encoding));
  }

  decodeBody(input: EncodedInput, accept: ReadonlySet<string>): BodyRead {
    return this.#decoded(input, accept, readBody) as BodyRead;
  }

  #decoded(
    input: EncodedInput,
    accept: ReadonlySet<string>,
    read: (serializer: Pick<Serializer, 'decode' | 'chains'>, body: Uint8Array, contentEncoding: string) => unknown,
  ): unknown {
    const contentType = input.contentType || 'application/data';
    if (!accept.has(contentType) && !TRUSTED.has(contentType)) throw this.#refusal(contentType, accept);
    if (input.body.byteLength > this.#maxBytes) throw tooLarge(this.#maxBytes);
    const body = input.compression ? this.#decompress(input.body, input.compression) : input.body;
    const contentEncoding = input.contentEncoding || 'utf-8';
    const serializer = this.#serializers.get(contentType);
    try {
      return read(serializer ?? RAW, body, contentEncoding);
    } catch (error) {
      if (error instanceof ContentError) throw error;
      throw new DecodeError(`The body is not readable as ${contentType}: ${String((error as Error)?.message ?? error)}`, {
        cause: error,
      });
    }
  }

  #refusal(contentType: string, accept: ReadonlySet<string>): ContentRefusedError {
    const pickle = contentType === PICKLE.mime;
    const name = pickle ? PICKLE.name : (this.#serializers.get(contentType)?.name ?? contentType);
    const advice = pickle ? NO_PICKLE : `Accepted here (acceptContent): ${[...accept].join(', ')}`;
    return new ContentRefusedError(`Refusing to deserialize untrusted content of type ${name} (${contentType}). ${advice}`);
  }

  #decompress(body: Uint8Array, name: string): Uint8Array {
    let output: Uint8Array;
    try {
      output = this.#compression(name).decompress(body, this.#maxBytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException)?.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(this.#maxBytes, error);
      throw new DecodeError(
        `The body cannot be decompressed as ${JSON.stringify(name)}: ${String((error as Error)?.message ?? error)}`,
        { cause: error },
      );
    }
    if (output.byteLength > this.#maxBytes) throw tooLarge(this.#maxBytes);
    return output;
  }
}

/** Reads what has no serializer here. */
const RAW: Pick<Serializer, 'decode' | 'chains'> = { decode: decodeRaw };

function readBody(serializer: Pick<Serializer, 'decode' | 'chains'>, body: Uint8Array, contentEncoding: string): BodyRead {
  return serializer.chains?.decode(body) ?? { value: serializer.decode(body, contentEncoding) };
}

function withChain([args, kwargs, embed]: readonly unknown[], behind: ChainText): unknown[] {
  return [args, kwargs, { ...(isRecord(embed) ? embed : {}), chain: behind.values() }];
}

function tooLarge(maxBytes: number, cause?: unknown): BodyTooLargeError {
  return new BodyTooLargeError(`The body is larger than ${maxBytes} bytes (the limit maxBytes)`, { cause });
}

/** The serializers and compressions of one app. */
export function createSerialization(options: SerializationOptions = {}): Serialization {
  return new Registry(options);
}
