// Records as the real Celery stored them: read, and written again with the same keys, types and values.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createErrorRegistry } from '../../../src/protocol/index.ts';
import { createResultCodec, type ResultCodec, type StoredResult } from '../../../src/result/index.ts';
import { readResultOptions, resultKeys } from '../../../src/result/redis-keys.ts';
import { stateOf } from '../../../src/result/sniff.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { ContentRefusedError, DecodeError, RemoteTaskError } from '../../../src/util/index.ts';

interface Kept {
  readonly key: string;
  readonly type: string;
  readonly ttl_seconds: number | null;
  readonly value?: string;
  readonly value_base64?: string;
}
interface Vector {
  readonly name: string;
  readonly settings: { readonly result_serializer?: string; readonly result_backend_transport_options?: string };
  readonly results?: readonly Kept[];
  readonly steps?: readonly { readonly results_after: readonly Kept[] }[];
  readonly messages?: readonly {
    readonly queue?: string;
    readonly body_base64?: string;
    readonly properties?: { readonly correlation_id: string };
  }[];
}

const folder = new URL('../../vectors/', import.meta.url);
const load = (name: string): Vector => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Vector;
const names = readdirSync(folder).filter((name) => /^(result|amqp-rpc)-.*\.json$/.test(name) && name !== 'result-database.json');
const serialization = createSerialization();

function codecFor(serializer: string): ResultCodec {
  return createResultCodec({
    serialization,
    serializer,
    accept: serialization.accept(['json', 'yaml']),
    expires: 86400,
    errors: createErrorRegistry(),
  });
}

/** Every record in a vector, by its id. */
function records(vector: Vector): readonly { readonly id: string; readonly body: Buffer; readonly kept?: Kept }[] {
  const prefix = /'global_keyprefix': '(\w+)'/.exec(vector.settings.result_backend_transport_options ?? '')?.[1];
  const keys = resultKeys(readResultOptions(prefix === undefined ? {} : { global_keyprefix: prefix }));
  const kept = [...(vector.results ?? []), ...(vector.steps ?? []).flatMap((step) => step.results_after)];
  const stored = kept.map((one) => ({
    id: keys.idOf(one.key) ?? '',
    body: Buffer.from(one.value ?? one.value_base64 ?? '', one.value === undefined ? 'base64' : 'utf8'),
    kept: one,
  }));
  const sent = (vector.messages ?? [])
    .filter(({ queue }) => queue?.startsWith('11111111-'))
    .flatMap(({ body_base64: body, properties }) =>
      body === undefined || properties === undefined
        ? []
        : [{ id: properties.correlation_id, body: Buffer.from(body, 'base64') }],
    );
  return [...stored, ...sent];
}

const atRest = (id: string, body: Uint8Array): StoredResult => ({
  id,
  state: stateOf(body),
  body,
  contentType: '',
  contentEncoding: '',
  attempt: 1,
});

describe.each(names.filter((name) => name !== 'result-pickle-failure.json'))('%s', (name) => {
  const vector = load(name);
  const codec = codecFor(vector.settings.result_serializer ?? 'json');

  it('is read and written again as it was', () => {
    for (const { id, body } of records(vector)) {
      const meta = codec.decode(atRest(id, body));
      expect(meta.taskId).toBe(id);
      const again = codec.encode(meta, { attempt: 1 });
      const read = (bytes: Uint8Array): unknown =>
        serialization.decode({ ...again, body: bytes, compression: undefined }, new Set([again.contentType]));
      expect(read(again.body)).toEqual(read(body));
    }
  });

  it('shows its state to a store that does not decode it', () => {
    for (const { id, body } of records(vector)) expect(stateOf(body)).toBe(codec.decode(atRest(id, body)).status);
  });

  it('keeps the type, module and arguments of its exception through an Error', () => {
    for (const { id, body } of records(vector)) {
      const meta = codec.decode(atRest(id, body));
      const { error } = codec.record(atRest(id, body));
      const isException = ['RETRY', 'FAILURE', 'REVOKED'].includes(meta.status);
      expect(error !== undefined).toBe(isException);
      if (error !== undefined) expect(codec.decode(codec.encode({ ...meta, result: error }, { attempt: 1 }))).toEqual(meta);
    }
  });

  it('lies where Celery looks for it', () => {
    const options = readResultOptions(name === 'result-keyprefix.json' ? { globalKeyprefix: 'myapp' } : {});
    for (const { id, kept } of records(vector)) if (kept !== undefined) expect(resultKeys(options).meta(id)).toBe(kept.key);
  });
});

describe('records out of the vectors', () => {
  const only = (name: string): { readonly id: string; readonly body: Buffer } => records(load(name)).at(-1) as never;

  it('has something to check in nearly every vector', () => {
    const without = names.filter((name) => records(load(name)).length === 0);
    expect(without).toEqual(['result-ignored-failure.json', 'result-revoke-call.json']);
  });

  it('restores an unknown exception with the fields that its worker wrote', () => {
    const { id, body } = only('result-exc-custom.json');
    const { error } = codecFor('json').record(atRest(id, body));
    expect(error).toBeInstanceOf(RemoteTaskError);
    expect(error).toMatchObject({ name: 'MyError', excModule: 'proj', excMessage: [42, { why: 'because' }] });
    expect((error as RemoteTaskError).remoteTraceback).toMatch(/^Traceback/);
  });

  it('reads what resultExtended adds, and the moment it was done', () => {
    const { id, body } = only('result-success-extended.json');
    expect(codecFor('json').record(atRest(id, body))).toMatchObject({
      state: 'SUCCESS',
      value: 4,
      error: undefined,
      dateDone: new Date('2026-01-02T03:04:05.678Z'),
      name: 'proj.add',
      args: [2, 2],
      kwargs: {},
      worker: 'worker1@host.example',
      retries: 0,
      queue: 'celery',
    });
  });

  it('refuses a pickled record', () => {
    const stored = {
      ...atRest('res-16', only('result-pickle-failure.json').body),
      contentType: 'application/x-python-serialize',
    };
    expect(() => codecFor('json').decode(stored)).toThrow(ContentRefusedError);
    expect(() => codecFor('json').decode({ ...stored, contentType: '' })).toThrow(DecodeError);
  });

  it('gives a written result the expiry of the setting, and none for 0', () => {
    expect(codecFor('json').encode({ taskId: 'a', status: 'SUCCESS', result: 1 }, { attempt: 3 })).toMatchObject({
      id: 'a',
      state: 'SUCCESS',
      attempt: 3,
      expires: 86400,
      contentType: 'application/json',
    });
    const forever = createResultCodec({
      serialization,
      serializer: 'json',
      accept: new Set(),
      expires: 0,
      errors: createErrorRegistry(),
    });
    expect(forever.encode({ taskId: 'a', status: 'SUCCESS', result: 1 }, { attempt: 1 }).expires).toBeUndefined();
  });
});
