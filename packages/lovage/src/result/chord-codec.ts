// What chords keep, as bytes and texts: parts as Celery writes them, what follows when all have come, how a header is nested.
// Slots encode with it, the worker that completes a chord decodes; stores look into none of it.
import { parseResultTuple, type ResultNode, type ResultTuple, type WireSignature } from '../protocol/index.ts';
import type { Seals } from '../security/index.ts';
import type { Serialization } from '../serialization/index.ts';
import { DecodeError, SignatureRefusedError } from '../util/index.ts';
import type { ChordCallback, ChordOpening, ChordPart, StoredOpening } from './chord-seam.ts';
import { EXCEPTION_STATES } from './record.ts';

/** An end of a member, before it is written. */
export interface MemberEnd extends Pick<ChordPart, 'groupId' | 'index' | 'id' | 'state'> {
  /** The value, an error, or the wire's exception. */
  readonly result: unknown;
  readonly callback: ChordCallback | undefined;
  /** The task's root; undefined when it is the task itself. */
  readonly rootId?: string | undefined;
}

/** A part as it is read. */
export interface ReadPart {
  readonly id: string;
  readonly state: string;
  /** The value, or the wire's exception. */
  readonly result: unknown;
}

/** Turns what chords keep into bytes and back. */
export interface ChordCodec {
  /** Seconds that the bookkeeping of a chord lives; undefined: for ever. */
  readonly expires: number | undefined;
  /** Throws EncodeError when the value cannot be written. */
  part(end: MemberEnd): ChordPart;
  opening(opening: ChordOpening): StoredOpening;
  callback(callback: ChordCallback): string;
  /** A group as Celery saves it: how the results of a header are nested. */
  structure(header: unknown): Uint8Array;
  /** Throws DecodeError or ContentRefusedError. */
  readPart(body: Uint8Array): ReadPart;
  readCallback(text: string): ChordCallback;
  readStructure(body: Uint8Array): ResultNode;
}

export interface ChordCodecOptions {
  readonly serialization: Pick<Serialization, 'encode' | 'decode'>;
  /** Writes a value with the result serializer. */
  readonly write: (value: unknown) => Uint8Array;
  /** Reads what it wrote. */
  readonly read: (body: Uint8Array) => unknown;
  /** An error as the wire has it. */
  readonly exception: (error: Error) => unknown;
  /** Seconds. */
  readonly expires: number | undefined;
  /** Of an app that signs what it sends: bodies that a store keeps are sent under its signature, so they are signed there too. */
  readonly seals?: Seals | undefined;
}

/** What the seal of a callback is for. */
const PURPOSE = ['chord'];

/** Is it signed, whoever did it? Then another worker can send its body. */
export function isSealedCallback(text: string | undefined): boolean {
  return text?.startsWith('{"sealed":') === true;
}

const JSON_ONLY: ReadonlySet<string> = new Set(['application/json']);

/** The codec of one app; codec.ts makes it. */
export function createChordCodec(options: ChordCodecOptions): ChordCodec {
  const { serialization, write, read, exception, expires, seals } = options;

  /** Members of one chord end one after the other, and one signature serves all. */
  let last: { readonly text: string; readonly sealed: string } | undefined;
  const callbackText = ({ body }: ChordCallback): string => {
    const text = Buffer.from(serialization.encode({ body }, 'json').body).toString();
    if (seals === undefined) return text;
    if (last?.text !== text) last = { text, sealed: JSON.stringify({ sealed: text, seal: seals.seal(PURPOSE, text) }) };
    return last.sealed;
  };

  const unsealed = (text: string): string => {
    if (!isSealedCallback(text)) {
      if (seals === undefined) return text;
      throw new SignatureRefusedError('It was kept without a signature, and this app signs what it sends.');
    }
    const { sealed, seal } = sealedParts(text);
    if (typeof sealed !== 'string' || typeof seal !== 'string') throw new DecodeError('The callback of a chord has no text.');
    seals?.check(PURPOSE, sealed, seal);
    return sealed;
  };

  const structure = (header: unknown): Uint8Array => write({ result: header });

  return {
    expires,
    callback: callbackText,
    structure,
    part: ({ groupId, index, id, state, result, callback, rootId }) => {
      const isError = EXCEPTION_STATES.has(state) && result instanceof Error;
      const value = isError ? exception(result) : (result ?? null);
      const body = write([1, id, state, value]);
      // Up to the id an array of two and one of four differ in their first or last byte only, which are the same in all of four.
      const head = Math.min(write([1, id]).byteLength, body.byteLength);
      const own = callback === undefined || typeof callback.body.options.root_id === 'string' ? undefined : rootId;
      return { groupId, index, id, state, body, head, callback: callback && callbackText(callback), rootId: own, expires };
    },
    opening: ({ groupId, size, body, header, nested, expires: seconds }) => ({
      groupId,
      size,
      callback: callbackText({ body }),
      structure: nested ? structure(header) : undefined,
      // 0 means for ever, as in the setting.
      expires: seconds === 0 ? undefined : seconds,
    }),
    readPart: (body) => partOf(read(body)),
    readCallback: (text) => {
      const input = {
        body: Buffer.from(unsealed(text)),
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        compression: undefined,
      };
      return callbackOf(serialization.decode(input, JSON_ONLY));
    },
    readStructure: (body) => parseResultTuple((read(body) as { readonly result?: ResultTuple } | null)?.result),
  };
}

function sealedParts(text: string): { readonly sealed?: unknown; readonly seal?: unknown } {
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new DecodeError('The callback of a chord is damaged: it is no JSON.', { cause });
  }
}

function partOf(value: unknown): ReadPart {
  if (Array.isArray(value) && value.length === 4) {
    const [, id, state, result] = value as readonly unknown[];
    if (typeof id === 'string' && typeof state === 'string') return { id, state, result };
  }
  throw new DecodeError('A part of a chord is an array [1, id, state, result].');
}

function callbackOf(value: unknown): ChordCallback {
  const { body } = (value ?? {}) as { readonly body?: WireSignature };
  if (typeof body !== 'object' || body === null || typeof body.task !== 'string')
    throw new DecodeError('The callback of a chord has no signature of its body.');
  return { body };
}
