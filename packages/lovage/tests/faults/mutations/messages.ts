// The messages that are mutated: captured from Celery, and fresh ones in every serializer and compression.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSerialization } from '../../../src/serialization/index.ts';

/** A message as it goes over a wire, in Celery's words. */
export interface Wire {
  headers: Record<string, unknown>;
  /** Celery's names: `correlation_id`, `reply_to`, `priority` … */
  properties: Record<string, unknown>;
  contentType: unknown;
  contentEncoding: unknown;
  body: Buffer;
}

interface Envelope {
  readonly body: string;
  readonly 'content-encoding': string;
  readonly 'content-type': string;
  readonly headers: Record<string, unknown>;
  readonly properties: Record<string, unknown>;
}

const VECTORS = join(import.meta.dirname, '../../vectors');
const ARGS: readonly unknown[] = [1, 'zwei', [3.5, null, true], { four: 'x'.repeat(300), five: [{ six: 6 }] }];

function captured(): readonly Wire[] {
  return readdirSync(VECTORS).flatMap((file) => {
    const { messages = [] } = JSON.parse(readFileSync(join(VECTORS, file), 'utf8')) as {
      readonly messages?: readonly { readonly envelope?: Envelope }[];
    };
    return messages.flatMap(({ envelope }): Wire[] => {
      if (typeof envelope?.body !== 'string' || envelope.headers === undefined) return [];
      const { headers, properties } = envelope;
      const body = Buffer.from(envelope.body, properties.body_encoding === 'base64' ? 'base64' : 'utf8');
      return [
        { headers, properties, contentType: envelope['content-type'], contentEncoding: envelope['content-encoding'], body },
      ];
    });
  });
}

function fresh(): readonly Wire[] {
  const serialization = createSerialization();
  const embed = { callbacks: null, errbacks: null, chain: null, chord: null };
  return ['json', 'msgpack', 'yaml'].flatMap((serializer) =>
    [undefined, 'zlib', 'brotli', 'zstd'].map((name): Wire => {
      const { body, contentType, contentEncoding, compression } = serialization.encode([ARGS, {}, embed], serializer, name);
      const headers = {
        lang: 'js',
        task: 'mutant.echo',
        id: '',
        retries: 0,
        timelimit: [null, null],
        argsrepr: '(1,)',
        kwargsrepr: '{}',
      };
      return {
        headers: compression === undefined ? headers : { ...headers, compression },
        properties: { delivery_mode: 2, priority: 0 },
        contentType,
        contentEncoding,
        body: Buffer.from(body),
      };
    }),
  );
}

/** All of them, each new one twice, so that they are not drowned by the captured ones. */
export function realMessages(): readonly Wire[] {
  const made = fresh();
  return [...captured(), ...made, ...made];
}
