import { expect, test } from 'vitest';
import { createErrorRegistry, type ResultMeta } from '../../../src/protocol/index.ts';
import { createResultCodec } from '../../../src/result/codec.ts';
import { createSerialization } from '../../../src/serialization/index.ts';
import { EncodeError, TimeLimitExceededError } from '../../../src/util/index.ts';

function setup(jsonTypes: 'tagged' | 'plain' = 'tagged') {
  const serialization = createSerialization({ jsonTypes });
  const codec = createResultCodec({
    serialization,
    serializer: 'json',
    accept: serialization.accept(['json']),
    expires: undefined,
    errors: createErrorRegistry(),
  });
  const meta = (fields: Partial<ResultMeta>): ResultMeta => ({
    taskId: 'a',
    status: 'SUCCESS',
    result: 1,
    children: [],
    dateDone: undefined,
    ...fields,
  });
  return { codec, meta, there: (fields: Partial<ResultMeta>) => codec.decode(codec.encode(meta(fields), { attempt: 1 })) };
}

test('arguments without a form in the format of results are shown as text, and cost no task its result', () => {
  const { there } = setup('plain');
  const args = [1, new Uint8Array([255]), [new Map([['a', 1]])]];
  expect(there({ args, kwargs: { plain: 'x', odd: new Uint8Array([65]) } })).toMatchObject({
    status: 'SUCCESS',
    result: 1,
    args: [1, "b'ff'", expect.any(String) as unknown],
    kwargs: { plain: 'x', odd: "b'A'" },
  });
});

test('a result without a form is an error, with its place', () => {
  const { codec, meta } = setup('plain');
  const odd = meta({ result: { deep: new Uint8Array(1) }, args: [new Uint8Array(1)], kwargs: {} });
  expect(() => codec.encode(odd, { attempt: 1 })).toThrow(EncodeError);
  expect(() => codec.encode(odd, { attempt: 1 })).toThrow(/value\.result\.deep .* jsonTypes/);
});

test("a hard time limit says its seconds, as Python's does, and reads Python's", () => {
  const { codec, meta, there } = setup();
  const error = new TimeLimitExceededError('x ran longer than its time limit of 0.5 s.', { seconds: 0.5 });
  expect(there({ status: 'FAILURE', result: error }).result).toEqual({
    exc_type: 'TimeLimitExceeded',
    exc_message: [0.5],
    exc_module: 'billiard.exceptions',
  });
  const read = codec.record(codec.encode(meta({ status: 'FAILURE', result: error }), { attempt: 1 })).error;
  expect(read).toBeInstanceOf(TimeLimitExceededError);
  expect(read).toMatchObject({ seconds: 0.5, message: expect.stringContaining('0.5 s') as unknown });
});
