// Between records as the wire knows them and results at rest: the only place in this room that knows what the bytes say.
// Slots use it to encode outcomes, readers through store.ts to decode them.
import {
  type ErrorRegistry,
  isRecord,
  parseMeta,
  parseResultTuple,
  parseTime,
  type ResultMeta,
  type ResultNode,
  readException,
  resultTuple,
  saferepr,
  writeException,
  writeMeta,
} from '../protocol/index.ts';
import type { Seals } from '../security/index.ts';
import type { Encoded, Serialization } from '../serialization/index.ts';
import { DecodeError, SignatureRefusedError } from '../util/index.ts';
import { type ChordCodec, createChordCodec } from './chord-codec.ts';
import type { StoredGroup } from './group-seam.ts';
import { EXCEPTION_STATES, type ResultRecord } from './record.ts';
import type { StoredResult } from './seam.ts';

export interface ResultCodecOptions {
  readonly serialization: Pick<Serialization, 'encode' | 'decode' | 'serializer'>;
  /** Name: the setting `resultSerializer`. Readers and writers of one store must have the same. */
  readonly serializer: string;
  /** MIME types that may be read: `resultAcceptContent`, else `acceptContent`. */
  readonly accept: ReadonlySet<string>;
  /** Seconds; undefined or 0: for ever. */
  readonly expires: number | undefined;
  readonly errors: ErrorRegistry;
  /** Of an app that signs what it sends. */
  readonly seals?: Seals | undefined;
}

/** With what a result is written. */
export interface EncodeResultOptions {
  /** `attemptNumber(retries, attempts)` of the execution that writes. */
  readonly attempt: number;
  readonly replyTo?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** Turns records into bytes and back. */
export interface ResultCodec {
  /** `meta.result` of an exception state may be an Error: it is written as its twin. Throws EncodeError when a value cannot be written. */
  encode(meta: ResultMeta, options: EncodeResultOptions): StoredResult;
  /** Throws DecodeError or ContentRefusedError. */
  decode(stored: StoredResult): ResultMeta;
  /** The same with its exception restored, as readers want it. */
  record(stored: StoredResult): ResultRecord;
  /** A group as `GroupResult.save` of Celery writes it: `{"result": [[id, parent], members]}`. */
  encodeGroup(group: ResultNode): StoredGroup;
  /** Throws DecodeError or ContentRefusedError. */
  decodeGroup(stored: StoredGroup): ResultNode;
  /** What chords keep. */
  readonly chords: ChordCodec;
}

/** The codec of one app. */
export function createResultCodec(options: ResultCodecOptions): ResultCodec {
  const { serialization, serializer, accept, errors } = options;
  const expires = options.expires === 0 ? undefined : options.expires;

  function isEncodable(value: unknown): boolean {
    try {
      serialization.encode(value, serializer);
      return true;
    } catch {
      return false;
    }
  }

  function resultOf(meta: ResultMeta): unknown {
    const isError = EXCEPTION_STATES.has(meta.status) && meta.result instanceof Error;
    return isError ? writeException(meta.result, isEncodable, errors) : meta.result;
  }

  /** Arguments came in another format than results leave: what has no form here is shown as text, and costs no task its result. */
  function shown(value: unknown): unknown {
    return isEncodable(value) ? value : saferepr(value, { maxLength: 1024 });
  }

  function encoded(meta: ResultMeta): Encoded {
    try {
      return serialization.encode(writeMeta(meta), serializer);
    } catch (error) {
      const { args, kwargs } = meta;
      if (args === undefined && kwargs === undefined) throw error;
      const pairs = Object.entries(kwargs ?? {}).map(([key, value]) => [key, shown(value)]);
      const readable = { ...meta, args: args?.map(shown), kwargs: kwargs === undefined ? undefined : Object.fromEntries(pairs) };
      return serialization.encode(writeMeta(readable), serializer);
    }
  }

  function encode(meta: ResultMeta, { attempt, replyTo, correlationId }: EncodeResultOptions): StoredResult {
    const { body, contentType, contentEncoding } = encoded({ ...meta, result: resultOf(meta) });
    return { id: meta.taskId, state: meta.status, body, contentType, contentEncoding, expires, attempt, replyTo, correlationId };
  }

  function read(stored: Pick<StoredResult, 'body' | 'contentType' | 'contentEncoding'>): unknown {
    // A store that keeps no content type gives an empty one: then it is ours, as Celery's readers assume too.
    const own = stored.contentType === '' ? serialization.serializer(serializer) : stored;
    return serialization.decode(
      { body: stored.body, contentType: own.contentType, contentEncoding: own.contentEncoding },
      accept,
    );
  }

  function decode(stored: StoredResult): ResultMeta {
    if (stored.unreadable !== undefined) throw stored.unreadable;
    const value = read(stored);
    // A signature says who wrote it; for whom, the record says itself.
    if (serializer === 'auth' && isRecord(value) && value.task_id !== stored.id)
      throw new SignatureRefusedError(
        `What is stored as the result of task ${stored.id} was signed as that of ${JSON.stringify(value.task_id) ?? 'no task'}: somebody put it there.`,
      );
    return parseMeta(value, stored.id);
  }

  function encodeGroup(group: ResultNode): StoredGroup {
    const { body, contentType, contentEncoding } = serialization.encode({ result: resultTuple(group) }, serializer);
    return { id: group.id, body, contentType, contentEncoding, expires };
  }

  function decodeGroup(stored: StoredGroup): ResultNode {
    const saved = read(stored);
    const tuple = isRecord(saved) ? saved.result : undefined;
    if (tuple === undefined) throw new DecodeError(`What is saved as group ${stored.id} is no group: it has no 'result'.`);
    return parseResultTuple(tuple);
  }

  const chords = createChordCodec({
    serialization,
    write: (value) => serialization.encode(value, serializer).body,
    read: (body) => read({ body, contentType: '', contentEncoding: '' }),
    exception: (error) => writeException(error, isEncodable, errors),
    expires,
    seals: options.seals,
  });
  return { encode, decode, record: (stored) => recordOf(decode(stored), errors), encodeGroup, decodeGroup, chords };
}

function recordOf(meta: ResultMeta, errors: ErrorRegistry): ResultRecord {
  return new ReadRecord(meta, errors);
}

/** A class for the sake of its getter: in an object literal a getter would keep the record alive until the next full collection. */
class ReadRecord implements ResultRecord {
  readonly id: string;
  readonly state: ResultRecord['state'];
  readonly value: unknown;
  readonly error: ResultRecord['error'];
  readonly traceback: string | undefined;
  readonly children: ResultRecord['children'];
  readonly groupId: string | undefined;
  readonly parentId: string | undefined;
  readonly name: string | undefined;
  readonly args: ResultRecord['args'];
  readonly kwargs: ResultRecord['kwargs'];
  readonly worker: string | undefined;
  readonly retries: number | undefined;
  readonly queue: string | undefined;
  readonly stamps: ResultRecord['stamps'];
  readonly #dateDone: string | undefined;

  constructor(meta: ResultMeta, errors: ErrorRegistry) {
    // A retry without an exception stores null; a failure always has one, even when its writer forgot it.
    const isError = EXCEPTION_STATES.has(meta.status) && !(meta.status === 'RETRY' && meta.result === null);
    this.id = meta.taskId;
    this.state = meta.status;
    this.value = isError ? undefined : meta.result;
    this.error = isError ? readException(meta.result, errors, meta.traceback) : undefined;
    this.traceback = meta.traceback;
    this.children = meta.children ?? [];
    this.groupId = meta.groupId;
    this.parentId = meta.parentId;
    this.name = meta.name;
    this.args = meta.args;
    this.kwargs = meta.kwargs;
    this.worker = meta.worker;
    this.retries = meta.retries;
    this.queue = meta.queue;
    this.stamps = meta.stamps ?? {};
    this.#dateDone = meta.dateDone;
  }

  /** Read when asked for: hardly anybody does, and it is the dearest part of a record. */
  get dateDone(): Date | undefined {
    const done = this.#dateDone === undefined ? undefined : parseTime(this.#dateDone);
    return done === undefined ? undefined : new Date(done * 1000);
  }
}
