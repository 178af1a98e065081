import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import {
  createErrorRegistry,
  isRecord,
  parseMeta,
  readException,
  writeException,
  writeMeta,
} from '../../../src/protocol/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { RemoteTaskError, TaskRevokedError } from '../../../src/util/index.ts';
import { lossless } from '../serialization/lossless.ts';
import { captureNames, deliveries, resultTexts } from './vectors.ts';

const serialization = createSerialization();
const accept = serialization.accept(['json', 'yaml']);
const registry = createErrorRegistry();

function decode(text: string, serializer: string): unknown {
  return serialization.decode({ body: Buffer.from(text), contentType: serialization.serializer(serializer).contentType }, accept);
}

const names = captureNames('result-', 'retry-', 'stamp-result', 'amqp-', 'worker-result').filter(
  (name) => name !== 'result-pickle-failure',
);
const records = names.flatMap((name) => resultTexts(name).map((record, index) => [`${name} ${index}`, record] as const));
const json = records.filter(([, record]) => record.serializer === 'json');

describe('captured result records', () => {
  it('are many', () => expect(json.length).toBeGreaterThan(40));

  it.each(json)('%s is read and written again, key by key', (_, { id, text }) => {
    const meta = parseMeta(decode(text, 'json'));
    expect(meta.taskId).toBe(id);
    const written = Buffer.from(serialization.encode(writeMeta(meta), 'json').body).toString();
    expect(lossless(written, { loose: true })).toEqual(lossless(text, { loose: true }));
    expect(Object.keys(JSON.parse(written.replaceAll('NaN', '0')))).toEqual(Object.keys(JSON.parse(text.replaceAll('NaN', '0'))));
  });

  it('in yaml are read and written again', () => {
    const found = records.filter(([, record]) => record.serializer === 'yaml');
    expect(found.length).toBe(1);
    for (const [, { text, id }] of found) {
      const value = decode(text, 'yaml');
      expect(parseMeta(value)).toMatchObject({
        taskId: id,
        status: 'FAILURE',
        result: { exc_type: 'MyError', exc_message: [42, { why: 'because' }] },
      });
      expect(writeMeta(parseMeta(value))).toEqual(value);
    }
  });

  it.each(captureNames('amqp-rpc-'))('%s: reply messages are result records', (name) => {
    const replies = deliveries(name).filter(({ delivery }) => !Object.hasOwn(delivery.headers, 'task'));
    expect(replies.length).toBeGreaterThan(0);
    for (const { delivery, payload } of replies) {
      const meta = parseMeta(serialization.decode({ body: delivery.body, ...delivery.properties }, accept));
      expect(meta.taskId).toBe(delivery.properties.correlationId);
      expect(lossless(JSON.stringify(writeMeta(meta)))).toEqual(lossless(payload ?? ''));
    }
  });

  const failures = json.filter(([, { text }]) => /"exc_type"/.test(text) && /"status": "(FAILURE|RETRY|REVOKED)"/.test(text));
  it.each(failures)('%s: its exception is read, and written again under the same names', (_, { text }) => {
    const { result, traceback } = parseMeta(decode(text, 'json'));
    const error = readException(result, registry, traceback);
    expect(error).toBeInstanceOf(Error);
    expect((error as RemoteTaskError).remoteTraceback).toBe(traceback);
    expect(isRecord(result) && [result.exc_type, result.exc_module, result.exc_message]).toEqual([
      (error as RemoteTaskError).excType,
      (error as RemoteTaskError).excModule,
      (error as RemoteTaskError).excMessage,
    ]);
    expect(writeException(error, () => true, registry)).toEqual(result);
  });
});

describe('exceptions', () => {
  const meta = (name: string) => parseMeta(decode(resultTexts(name).at(-1)?.text ?? '', 'json'));

  it('of Python arrive as RemoteTaskError with their names and arguments', () => {
    const error = readException(meta('result-exc-custom').result, registry);
    expect(error).toBeInstanceOf(RemoteTaskError);
    expect(error).toMatchObject({ excModule: 'proj' });
    expect(error.name).toBe((error as RemoteTaskError).excType);
  });

  it('of Celery arrive as their twins', () => {
    expect(readException(meta('result-mark-as-revoked').result, registry)).toBeInstanceOf(TaskRevokedError);
  });
});
