// Results in a DynamoDB table (`dynamodb://key:secret@region/table?ttl_seconds=86400`), as Celery keeps them: its keys are the Python
// notation of bytes, `b'celery-task-meta-<id>'`; the transport option `keys: 'plain'` leaves that away in tables of Lovage alone.
import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ConfigurationError, decodeLogin, logger, readOptionNames, redactUrl } from '../util/index.ts';
import type { KeyValue, KeyValueStore, KeyValueWrite } from './kv.ts';
import { KEY_VALUE_OPTIONS, keyValueBackend, keyValueOptions } from './kv-backend.ts';
import { storableKey } from './kv-names.ts';
import { eachOf, readTimeoutOf } from './patience.ts';
import type { BackendOptions, ResultBackend } from './seam.ts';

const log = logger('result', 'dynamodb');
/** Keys in one BatchGetItem at most, and requests under way at a time. */
const CHUNK = 100;
const MAX_REQUESTS = 32;
const MAX_KEY_BYTES = 2000;

/** Opens the backend; the table is looked for, and made, at the first call. */
export function open(options: BackendOptions): ResultBackend {
  const names = [...KEY_VALUE_OPTIONS, 'endpointUrl', 'keys', 'readTimeout'];
  const given = readOptionNames('The result store in DynamoDB', options.transportOptions, { names });
  if (given.keys !== undefined && given.keys !== 'python' && given.keys !== 'plain')
    throw new ConfigurationError(
      `The transport option keys is ${JSON.stringify(given.keys)}. Use 'python' (as Celery) or 'plain'.`,
    );
  return keyValueBackend(dynamoStore(placeOf(options, given), given.keys === 'plain'), keyValueOptions(options, given));
}

/** What the URL says. */
interface Place {
  readonly url: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly table: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly read: number;
  readonly write: number;
  /** Seconds that an item lives whatever resultExpires says; negative: for ever; undefined: resultExpires. */
  readonly ttl: number | undefined;
  /** Milliseconds of one request. */
  readonly limits: { readonly connectionTimeout: number; readonly socketTimeout: number };
}

function placeOf({ url, connectTimeout }: BackendOptions, given: Readonly<Record<string, unknown>>): Place {
  const { endpointUrl } = given;
  const [, login, host = '', port, table, query] =
    /^dynamodb:\/\/(?:([^@/]*)@)?([^:/?]*)(?::(\d+))?(?:\/([^?]*))?(?:\?(.*))?$/i.exec(url) ?? [];
  const { user: key, password: secret } = decodeLogin(login, url);
  if ((key === '') !== (secret === ''))
    throw new ConfigurationError(
      `'${redactUrl(url)}' has one of key and secret only. Write both, or neither: then AWS's own places are searched.`,
    );
  const isHere = host === 'localhost' || /^[\d.]+$/.test(host);
  const endpoint =
    endpointUrl === undefined
      ? isHere
        ? `http://${host}${port === undefined ? '' : `:${port}`}`
        : undefined
      : String(endpointUrl);
  const parameters = new URLSearchParams(query);
  const number = (name: string): number | undefined => {
    const text = parameters.get(name);
    if (text === null) return undefined;
    if (!/^-?\d+$/.test(text))
      throw new ConfigurationError(`'${redactUrl(url)}': ${name} is ${text} and must be a whole number.`);
    return Number(text);
  };
  return {
    url: redactUrl(url),
    region: isHere ? 'us-east-1' : host === '' ? undefined : host,
    endpoint,
    table: table === undefined || table === '' ? 'celery' : table,
    credentials: key === '' ? undefined : { accessKeyId: key, secretAccessKey: secret },
    read: number('read') ?? 1,
    write: number('write') ?? 1,
    ttl: number('ttl_seconds'),
    limits: { connectionTimeout: connectTimeout * 1000, socketTimeout: readTimeoutOf(given) * 1000 },
  };
}

interface Opened {
  readonly sdk: typeof import('@aws-sdk/client-dynamodb');
  readonly client: DynamoDBClient;
}

/** The items of a table as a key/value store. */
function dynamoStore(place: Place, isPlain: boolean): KeyValueStore {
  const { table: TableName } = place;
  const nameOf = (key: string): string => {
    const name = storableKey(key, /\0/, MAX_KEY_BYTES);
    return isPlain ? name : pythonBytes(name);
  };
  let opening: Promise<Opened> | undefined;

  async function opened(): Promise<Opened> {
    opening ??= connect(place);
    return opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
  }

  async function readSome(keys: readonly string[]): Promise<readonly (readonly [string, KeyValue])[]> {
    const { sdk, client } = await opened();
    const keyOf = new Map(keys.map((key) => [nameOf(key), key]));
    const found: (readonly [string, KeyValue])[] = [];
    let left = [...keyOf.keys()].map((id) => ({ id: { S: id } }) as Record<string, AttributeValue>);
    while (left.length > 0) {
      const request = { RequestItems: { [TableName]: { Keys: left, ConsistentRead: true } } };
      const { Responses, UnprocessedKeys } = await client.send(new sdk.BatchGetItemCommand(request));
      for (const item of Responses?.[TableName] ?? []) {
        const key = keyOf.get(item.id?.S ?? '');
        const value = item.result?.B;
        // DynamoDB deletes what has expired within days, not at once.
        const isOver = item.ttl?.N !== undefined && Number(item.ttl.N) <= Date.now() / 1000;
        if (key !== undefined && value !== undefined && !isOver) found.push([key, { value, version: value }]);
      }
      left = UnprocessedKeys?.[TableName]?.Keys ?? [];
    }
    return found;
  }

  function itemOf({ key, value, expires }: KeyValueWrite): Record<string, AttributeValue> {
    const now = Date.now() / 1000;
    const life = place.ttl ?? expires;
    return {
      id: { S: nameOf(key) },
      result: { B: value },
      timestamp: { N: String(now) },
      ...(life === undefined || life < 0 ? {} : { ttl: { N: String(Math.ceil(now + life)) } }),
    };
  }

  return {
    name: 'dynamodb',
    url: place.url,
    autoExpire: place.ttl === undefined || place.ttl >= 0,
    get: async (keys) => {
      const unique = [...new Set(keys)];
      const parts = Array.from({ length: Math.ceil(unique.length / CHUNK) }, (_, at) =>
        unique.slice(at * CHUNK, (at + 1) * CHUNK),
      );
      return new Map((await eachOf(parts, MAX_REQUESTS, readSome)).flat());
    },
    set: async (writes) => {
      const { sdk, client } = await opened();
      await eachOf(writes, MAX_REQUESTS, (one) => client.send(new sdk.PutItemCommand({ TableName, Item: itemOf(one) })));
    },
    swap: {
      guards: 'written',
      try: async (one, seen) => {
        const { sdk, client } = await opened();
        const was = seen.get(one.key)?.version;
        const names = { '#result': 'result', ...(was instanceof Uint8Array ? {} : { '#ttl': 'ttl' }) };
        // What has expired counts as gone, although it is still there.
        const condition =
          was instanceof Uint8Array
            ? { ConditionExpression: '#result = :was', ExpressionAttributeValues: { ':was': { B: was } } }
            : {
                ConditionExpression: 'attribute_not_exists(#result) OR #ttl <= :now',
                ExpressionAttributeValues: { ':now': { N: String(Date.now() / 1000) } },
              };
        try {
          const put = { TableName, Item: itemOf(one), ExpressionAttributeNames: names, ...condition };
          await client.send(new sdk.PutItemCommand(put));
          return true;
        } catch (error) {
          if (error instanceof sdk.ConditionalCheckFailedException) return false;
          throw error;
        }
      },
    },
    delete: async (keys) => {
      const { sdk, client } = await opened();
      const remove = (key: string) => client.send(new sdk.DeleteItemCommand({ TableName, Key: { id: { S: nameOf(key) } } }));
      await eachOf(keys, MAX_REQUESTS, remove);
    },
    check: async () => {
      await opened();
    },
    [Symbol.asyncDispose]: async () => {
      const { client } = (await opening?.catch(() => undefined)) ?? {};
      client?.destroy();
    },
  };
}

async function connect(place: Place): Promise<Opened> {
  const sdk = await load();
  const client = new sdk.DynamoDBClient({
    requestHandler: place.limits,
    ...(place.region === undefined ? {} : { region: place.region }),
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    ...(place.credentials === undefined ? {} : { credentials: place.credentials }),
  });
  const opened = { sdk, client };
  await ensureTable(opened, place);
  await ensureTtl(opened, place);
  return opened;
}

async function load(): Promise<typeof import('@aws-sdk/client-dynamodb')> {
  try {
    return await import('@aws-sdk/client-dynamodb');
  } catch (cause) {
    throw new ConfigurationError('Results in DynamoDB need a package: npm install @aws-sdk/client-dynamodb', { cause });
  }
}

/** Makes the table if it is missing, and waits until it can be used. */
async function ensureTable({ sdk, client }: Opened, { table: TableName, read, write }: Place): Promise<void> {
  try {
    const { Table } = await client.send(new sdk.DescribeTableCommand({ TableName }));
    if (Table?.TableStatus === 'ACTIVE') return;
  } catch (error) {
    if (!(error instanceof sdk.ResourceNotFoundException)) throw error;
    const made = {
      TableName,
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: sdk.ScalarAttributeType.S }],
      KeySchema: [{ AttributeName: 'id', KeyType: sdk.KeyType.HASH }],
      ProvisionedThroughput: { ReadCapacityUnits: read, WriteCapacityUnits: write },
    };
    await client.send(new sdk.CreateTableCommand(made)).catch((refusal: unknown) => {
      // Another process was quicker.
      if (!(refusal instanceof sdk.ResourceInUseException)) throw refusal;
    });
  }
  await sdk.waitUntilTableExists({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { TableName });
}

/** Lets DynamoDB delete what has expired, or not, as `ttl_seconds` says; a table whose owner decided otherwise is left alone without it. */
async function ensureTtl({ sdk, client }: Opened, { table: TableName, ttl }: Place): Promise<void> {
  if (ttl === undefined) return;
  try {
    const { TimeToLiveDescription } = await client.send(new sdk.DescribeTimeToLiveCommand({ TableName }));
    const isOn = TimeToLiveDescription?.TimeToLiveStatus?.startsWith('ENABL') === true;
    if (isOn === ttl >= 0) return;
    const specification = { Enabled: ttl >= 0, AttributeName: 'ttl' };
    await client.send(new sdk.UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: specification }));
  } catch (error) {
    log.warning(
      'The time to live of the DynamoDB table {table} cannot be set, so what has expired is hidden but not deleted: {error}',
      {
        table: TableName,
        error: String(error),
      },
    );
  }
}

/** The notation of bytes in Python. */
export function pythonBytes(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = Array.from(Buffer.from(text, 'utf8'), (byte) => {
    const letter = String.fromCharCode(byte);
    if (letter === '\\' || letter === quote) return `\\${letter}`;
    if (byte >= 0x20 && byte < 0x7f) return letter;
    const short = { '\t': '\\t', '\n': '\\n', '\r': '\\r' }[letter];
    return short ?? `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `b${quote}${body.join('')}${quote}`;
}
