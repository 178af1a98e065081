// Results as objects in S3, or a store that speaks like it (`s3://bucket/base/`): names and bytes as Celery's. Objects do not expire by
// themselves; a lifecycle rule of the bucket deletes old ones.
import type { S3Client } from '@aws-sdk/client-s3';
import { ConfigurationError, readOptionNames } from '../util/index.ts';
import type { KeyValue, KeyValueStore, KeyValueWrite } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import { storableKey } from './kv-names.ts';
import { eachOf, readTimeoutOf } from './patience.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

/** Requests under way at a time. */
const MAX_REQUESTS = 32;
const MAX_NAME_BYTES = 900;
const OPTIONS = ['bucket', 'basePath', 'region', 'endpointUrl', 'accessKeyId', 'secretAccessKey', 'readTimeout'];

/** Opens the backend; nothing connects before the first call. */
export function open(options: BackendOptions): ResultBackend {
  const given = readOptionNames('The result store in S3', options.transportOptions, {
    names: [...KEY_VALUE_OPTIONS, ...OPTIONS],
  });
  const limits = { connectionTimeout: options.connectTimeout * 1000, socketTimeout: readTimeoutOf(given) * 1000 };
  return keyValueBackend(s3Store(options.url, given, limits), keyValueOptions(options, given));
}

/** Milliseconds of one request. */
interface Limits {
  readonly connectionTimeout: number;
  readonly socketTimeout: number;
}

interface Opened {
  readonly sdk: typeof import('@aws-sdk/client-s3');
  readonly client: S3Client;
}

/** The objects of a bucket as a key/value store. */
function s3Store(url: string, given: Readonly<Record<string, unknown>>, limits: Limits): KeyValueStore {
  const [, host = '', path = ''] = /^s3:\/\/([^/?]*)\/?([^?]*)/i.exec(url) ?? [];
  const bucket = host === '' ? given.bucket : host;
  if (typeof bucket !== 'string')
    throw new ConfigurationError('Results in S3 need a bucket: write s3://bucket/, or give the transport option bucket.');
  // By plain concatenation, as Celery does it.
  const base = String(given.basePath ?? path);
  const nameOf = (key: string): string => base + storableKey(key, /[/\\\p{Cc}]/u, MAX_NAME_BYTES);
  let opening: Promise<Opened> | undefined;
  const opened = (): Promise<Opened> => (opening ??= connect(given, limits));

  async function read(key: string): Promise<readonly (readonly [string, KeyValue])[]> {
    const { sdk, client } = await opened();
    try {
      const found = await client.send(new sdk.GetObjectCommand({ Bucket: bucket as string, Key: nameOf(key) }));
      const value = (await found.Body?.transformToByteArray()) ?? new Uint8Array();
      return [[key, { value, version: found.ETag }]];
    } catch (error) {
      if (statusOf(error) === 404 && nameOfError(error) !== 'NoSuchBucket') return [];
      throw error;
    }
  }

  async function write({ key, value }: KeyValueWrite, condition: { IfMatch?: string; IfNoneMatch?: string }): Promise<void> {
    const { sdk, client } = await opened();
    await client.send(new sdk.PutObjectCommand({ Bucket: bucket as string, Key: nameOf(key), Body: value, ...condition }));
  }

  return {
    name: 's3',
    url: `s3://${bucket}/${base}`,
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
          await write(one, typeof version === 'string' ? { IfMatch: version } : { IfNoneMatch: '*' });
          return true;
        } catch (error) {
          // 404: what was to be replaced has gone. 409: somebody else is writing at this moment.
          if ([404, 409, 412].includes(statusOf(error) ?? 0)) return false;
          throw error;
        }
      },
    },
    delete: async (keys) => {
      const { sdk, client } = await opened();
      await eachOf(keys, MAX_REQUESTS, (key) => client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: nameOf(key) })));
    },
    check: async (signal) => {
      const { sdk, client } = await opened();
      await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    },
    [Symbol.asyncDispose]: async () => {
      const { client } = (await opening?.catch(() => undefined)) ?? {};
      client?.destroy();
    },
  };
}

async function connect(given: Readonly<Record<string, unknown>>, limits: Limits): Promise<Opened> {
  const { region, endpointUrl, accessKeyId, secretAccessKey } = given;
  const sdk = await load();
  const hasKeys = typeof accessKeyId === 'string' && typeof secretAccessKey === 'string';
  const client = new sdk.S3Client({
    requestHandler: limits,
    ...(region === undefined ? {} : { region: String(region) }),
    // Stores beside AWS have no host name for each bucket.
    ...(endpointUrl === undefined ? {} : { endpoint: String(endpointUrl), forcePathStyle: true }),
    // Without keys the SDK looks where AWS puts them: environment, profile, role.
    ...(hasKeys ? { credentials: { accessKeyId, secretAccessKey } } : {}),
  });
  return { sdk, client };
}

async function load(): Promise<typeof import('@aws-sdk/client-s3')> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (cause) {
    throw new ConfigurationError('Results in S3 need a package: npm install @aws-sdk/client-s3', { cause });
  }
}

/** The HTTP status of an error of the SDK. */
function statusOf(error: unknown): number | undefined {
  return (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

function nameOfError(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}
