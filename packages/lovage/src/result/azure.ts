// Results as blobs in Azure Blob Storage (`azureblockblob://<connection string>`): names and bytes as Celery's. Blobs do not expire by
// themselves; a lifecycle rule of the account deletes old ones.
import type { ContainerClient } from '@azure/storage-blob';
import { BackendError, ConfigurationError, deadline, readOptionNames } from '../util/index.ts';
import type { KeyValue, KeyValueStore, KeyValueWrite } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import { storableKey } from './kv-names.ts';
import { eachOf, readTimeoutOf } from './patience.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

/** Requests under way at a time. */
const MAX_REQUESTS = 32;
const MAX_NAME_BYTES = 900;
const OPTIONS = ['containerName', 'basePath', 'readTimeout'];
/** Celery's, of a client that retries by itself. */
const IGNORED = ['retryInitialBackoffSec', 'retryIncrementBase', 'retryMaxAttempts', 'connectionTimeout'];

/** Opens the backend; nothing connects before the first call. */
export function open(options: BackendOptions): ResultBackend {
  const names = [...KEY_VALUE_OPTIONS, ...OPTIONS];
  const given = readOptionNames('The result store in Azure', options.transportOptions, { names, ignored: IGNORED });
  const connection = options.url.replace(/^azureblockblob:\/\//i, '');
  if (!/=/.test(connection) || /^\w+Credential@/.test(connection))
    throw new ConfigurationError(
      'Results in Azure need a connection string: azureblockblob://DefaultEndpointsProtocol=https;AccountName=…;AccountKey=… (or SharedAccessSignature=…).',
    );
  return keyValueBackend(azureStore(connection, given, readTimeoutOf(given)), keyValueOptions(options, given));
}

/** Runs a request with the limit that it is to be given. */
type Limited = <T>(request: (limit: { readonly abortSignal: AbortSignal }) => Promise<T>) => Promise<T>;

/** The blobs of a container as a key/value store. */
function azureStore(connection: string, given: Readonly<Record<string, unknown>>, readTimeout: number): KeyValueStore {
  const container = String(given.containerName ?? 'celery');
  const base = String(given.basePath ?? '');
  const nameOf = (key: string): string => base + storableKey(key, /[/\\?#\p{Cc}]|\.$/u, MAX_NAME_BYTES);
  let opening: Promise<ContainerClient> | undefined;
  /** One request, all of its body included. */
  const limited: Limited = async (request) => {
    const late = (): Error =>
      new BackendError(`The result store azure did not answer within ${readTimeout} s (transport option readTimeout).`, {
        transient: true,
      });
    using limit = deadline(readTimeout, late);
    try {
      return await request({ abortSignal: limit.signal });
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : error;
    }
  };

  /** The container, made when it is missing. */
  async function opened(): Promise<ContainerClient> {
    opening ??= connect(connection, container, limited);
    return opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
  }

  async function read(key: string): Promise<readonly (readonly [string, KeyValue])[]> {
    const blob = (await opened()).getBlobClient(nameOf(key));
    try {
      return await limited(async (limit) => {
        const found = await blob.download(undefined, undefined, limit);
        return [[key, { value: await bytesOf(found.readableStreamBody), version: found.etag }]];
      });
    } catch (error) {
      if (statusOf(error) === 404) return [];
      throw error;
    }
  }

  async function write({ key, value }: KeyValueWrite, conditions: { ifMatch?: string; ifNoneMatch?: string }): Promise<void> {
    const blob = (await opened()).getBlockBlobClient(nameOf(key));
    const body = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    await limited((limit) => blob.upload(body, body.byteLength, { conditions, ...limit }));
  }

  return {
    name: 'azure',
    url: `azureblockblob://${/AccountName=([^;]+)/i.exec(connection)?.[1] ?? '**'}/${container}/${base}`,
    autoExpire: false,
    get: async (keys) => new Map((await eachOf([...new Set(keys)], MAX_REQUESTS, read)).flat()),
    set: async (writes) => {
      await eachOf(writes, MAX_REQUESTS, (one) => write(one, {}));
    },
    swap: {
      guards: 'written',
      try: async (one, seen) => {
        const version = seen.get(one.key)?.version;
        try {
          await write(one, typeof version === 'string' ? { ifMatch: version } : { ifNoneMatch: '*' });
          return true;
        } catch (error) {
          if ([404, 409, 412].includes(statusOf(error) ?? 0)) return false;
          throw error;
        }
      },
    },
    delete: async (keys) => {
      const client = await opened();
      await eachOf(keys, MAX_REQUESTS, (key) => limited((limit) => client.getBlobClient(nameOf(key)).deleteIfExists(limit)));
    },
    check: async (signal) => {
      await (await opened()).getProperties({ abortSignal: signal });
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function connect(connection: string, container: string, limited: Limited): Promise<ContainerClient> {
  const { BlobServiceClient } = await load();
  const client = BlobServiceClient.fromConnectionString(connection).getContainerClient(container);
  await limited((limit) => client.createIfNotExists(limit));
  return client;
}

async function load(): Promise<typeof import('@azure/storage-blob')> {
  try {
    return await import('@azure/storage-blob');
  } catch (cause) {
    throw new ConfigurationError('Results in Azure need a package: npm install @azure/storage-blob', { cause });
  }
}

async function bytesOf(stream: NodeJS.ReadableStream | undefined): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of stream ?? []) parts.push(Buffer.from(part as Uint8Array));
  return Buffer.concat(parts);
}

function statusOf(error: unknown): number | undefined {
  return (error as { readonly statusCode?: number }).statusCode;
}
