// The serializer `msgpack`.
import { DecodeError } from '../util/index.ts';
import { encoding } from './fault.ts';
import { readMsgpack } from './msgpack-read.ts';
import { writeMsgpack } from './msgpack-write.ts';
import type { Serializer } from './seam.ts';

export const msgpackSerializer: Serializer = {
  name: 'msgpack',
  contentType: 'application/x-msgpack',
  contentEncoding: 'binary',
  encode: (value) => encoding('msgpack', () => writeMsgpack(value)),
  decode: (body) => {
    try {
      return readMsgpack(body);
    } catch (error) {
      throw new DecodeError(`The body is not readable as msgpack: ${(error as Error).message}`, { cause: error });
    }
  },
};
