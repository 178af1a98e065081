// A store over memory with the real codec, and a way to write into it as a worker would.
import { onTestFinished } from 'vitest';
import { createErrorRegistry, type ResultMeta } from '../../../src/protocol/index.ts';
import {
  type BackendOptions,
  createResultCodec,
  openBackend,
  type ResultBackend,
  type ResultCodec,
  ResultStore,
  type ResultStoreParts,
} from '../../../src/result/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';

const serialization = createSerialization();

export const codec: ResultCodec = createResultCodec({
  serialization,
  serializer: 'json',
  accept: serialization.accept(['json']),
  expires: 60,
  errors: createErrorRegistry(),
});

export const options = (url = 'memory://'): BackendOptions => ({
  url,
  appName: 'unit',
  connectTimeout: 1,
  transportOptions: {},
  broker: { url, transportOptions: {} },
  oid: 'unit',
  expires: 60,
  persistent: false,
});

export interface World {
  readonly store: ResultStore;
  /** Calls of the backend, by name, with what they were asked. */
  readonly calls: (readonly [name: string, ...args: unknown[]])[];
  write(id: string, status: string, result?: unknown, more?: Partial<ResultMeta>): Promise<void>;
  succeed(id: string, value: unknown): Promise<void>;
  fail(id: string, message: string): Promise<void>;
}

/** A store of its own for one test. `change` may replace parts of its backend. */
export function world(
  parts: ResultStoreParts = {},
  change: (backend: ResultBackend) => Partial<ResultBackend> = () => ({}),
): World {
  const calls: World['calls'] = [];
  const store = new ResultStore(
    async () => {
      const backend = await openBackend(options());
      return {
        ...backend,
        get: (ids) => {
          calls.push(['get', ids]);
          return backend.get(ids);
        },
        forget: (ids) => {
          calls.push(['forget', ids]);
          return backend.forget(ids);
        },
        listen: (ids, receiver) => {
          calls.push(['listen', ids]);
          const stop = backend.listen?.(ids, receiver);
          return () => {
            calls.push(['stop', ids]);
            stop?.();
          };
        },
        ...change(backend),
      };
    },
    codec,
    parts,
  );
  onTestFinished(() => store.close());
  const write: World['write'] = async (taskId, status, result = null, more = {}) => {
    await store.put([store.encode({ taskId, status, result, ...more }, { attempt: 1 })]);
  };
  return {
    store,
    calls,
    write,
    succeed: (id, value) => write(id, 'SUCCESS', value),
    fail: (id, message) => write(id, 'FAILURE', new TypeError(message)),
  };
}
