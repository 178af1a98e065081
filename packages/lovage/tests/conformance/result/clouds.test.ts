// The suite over the emulators of S3, DynamoDB and Azure Blob Storage, and over an etcd; and what each leaves behind, name by name.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { BlobServiceClient } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type EmulatorServer,
  type EtcdServer,
  freePorts,
  startAzure,
  startDynamo,
  startEtcd,
  startS3,
} from '../../../../../scripts/servers/index.ts';
import { openBackend, type ResultBackend } from '../../../src/result/index.ts';
import { ConfigurationError, redactUrl } from '../../../src/util/index.ts';
import { describeBackend } from './describe-backend.ts';
import { bodyOf, eventually, maker, never, optionsFor, untilEnd } from './harness.ts';

let s3: EmulatorServer;
let front: Server;
let frontPort: number;
let dynamo: EmulatorServer;
let azure: Awaited<ReturnType<typeof startAzure>>;
let etcd: EtcdServer;
beforeAll(async () => {
  [s3, dynamo, azure, etcd] = await Promise.all([startS3(), startDynamo(), startAzure(), startEtcd()]);
  frontPort = await freePorts();
  front = conditional(s3.port).listen(frontPort, '127.0.0.1');
});
afterAll(async () => {
  front.close();
  front.closeAllConnections();
  await Promise.all([s3, dynamo, azure, etcd].map((server) => server[Symbol.asyncDispose]()));
});

/** Conditional writes, which S3 has and its emulator passes over: one write of a name at a time, and those that come too late refused. */
function conditional(target: number): Server {
  const tags = new Map<string, string>();
  const turns = new Map<string, Promise<unknown>>();
  const agent = new Agent({ keepAlive: true });
  const forward = (incoming: IncomingMessage, body: Buffer) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { method, headers, url: path } = incoming;
      request({ host: '127.0.0.1', port: target, agent, method, headers, path }, resolve).on('error', reject).end(body);
    });
  return createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const name = (incoming.url ?? '').replace(/\?.*/, '');
      const pass = async (): Promise<void> => {
        const { 'if-match': match, 'if-none-match': noneMatch } = incoming.headers;
        const known = tags.get(name);
        if ((noneMatch === '*' && known !== undefined) || (match !== undefined && match !== known)) {
          outgoing.writeHead(412, { 'content-type': 'application/xml' });
          outgoing.end('<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>');
          return;
        }
        const answer = await forward(incoming, Buffer.concat(parts)).catch(() => undefined);
        // The emulator has closed a line that was idle: whoever asked asks again.
        if (answer === undefined) return void outgoing.destroy();
        if (incoming.method === 'PUT' && answer.headers.etag !== undefined) tags.set(name, answer.headers.etag);
        if (incoming.method === 'DELETE') tags.delete(name);
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
        // The emulator shows half of what it is writing, which S3 never does: whoever reads has a turn, too.
        await once(outgoing, 'close');
      };
      turns.set(name, (turns.get(name) ?? Promise.resolve()).then(pass));
    });
  });
}

const keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
const quick = { pollInterval: 0.05 };
const onS3 = (more = {}) =>
  optionsFor('s3://lovage/', {
    transportOptions: { ...quick, region: 'us-east-1', endpointUrl: `http://127.0.0.1:${frontPort}`, ...keys, ...more },
  });
const onDynamo = (query = '', more = {}) =>
  optionsFor(`dynamodb://key:secret@127.0.0.1:${dynamo.port}/results${query}`, { transportOptions: { ...quick, ...more } });
const onAzure = (more = {}) =>
  optionsFor(`azureblockblob://${azure.connectionString}`, { transportOptions: { ...quick, containerName: 'results', ...more } });
const onEtcd = () => optionsFor(etcd.url, { transportOptions: quick });

// Emulators take their time.
describeBackend('s3', { options: () => onS3({ pollInterval: 0.2 }), many: 100 });
describeBackend('dynamodb', { options: () => onDynamo(), maxBytes: 400_000, many: 200 });
describeBackend('azure', { options: () => onAzure(), many: 100 });
describeBackend('etcd', { options: onEtcd });

const stores = { s3: () => onS3(), dynamodb: () => onDynamo(), azure: () => onAzure(), etcd: () => onEtcd() };

it.each(Object.entries(stores))('%s lets one of those who write a SUCCESS at once win, whoever it is', async (_, options) => {
  const backends: ResultBackend[] = await Promise.all([0, 1, 2].map(() => openBackend(options())));
  for (const backend of backends) untilEnd(backend);
  const make = await maker(backends[0] as ResultBackend);
  for (let round = 0; round < 5; round++) {
    const id = randomUUID();
    const puts = backends.map((backend, index) => backend.put([make(id, 'SUCCESS', { body: bodyOf(id, 'SUCCESS', index) })]));
    expect((await Promise.all(puts)).flat()).toHaveLength(2);
  }
});

it.each(Object.entries(stores))('%s keeps results whose ids are no plain names', async (_, options) => {
  const backend = untilEnd(await openBackend(options()));
  const make = await maker(backend);
  const id = randomUUID();
  const ids = [`${id}/../../x`, `${id} two words`, `${id}'"\\`, `${id}ü?#%2F`, `${id}${'y'.repeat(2000)}`];
  expect(await backend.put(ids.map((one) => make(one, 'SUCCESS')))).toEqual([]);
  expect(new Set((await backend.get(ids)).keys())).toEqual(new Set(ids));
});

it('S3 has an object with the name that Celery gives it', async () => {
  const backend = untilEnd(await openBackend(onS3({ basePath: 'base/' })));
  const make = await maker(backend);
  await backend.put([make('o-1', 'SUCCESS')]);
  const client = new S3Client({ region: 'us-east-1', endpoint: s3.endpoint, forcePathStyle: true, credentials: { ...keys } });
  const found = await client.send(new GetObjectCommand({ Bucket: 'lovage', Key: 'base/celery-task-meta-o-1' }));
  expect(await found.Body?.transformToString()).toBe(Buffer.from(bodyOf('o-1', 'SUCCESS')).toString());
  client.destroy();
});

it('DynamoDB has an item as Celery writes it, and a plain one where that is asked for', async () => {
  const client = new DynamoDBClient({
    region: 'us-east-1',
    endpoint: dynamo.endpoint,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
  });
  const itemOf = async (id: string) =>
    (await client.send(new GetItemCommand({ TableName: 'results', Key: { id: { S: id } } }))).Item;
  const backend = untilEnd(await openBackend(onDynamo('?ttl_seconds=600')));
  const make = await maker(backend);
  await backend.put([make('i-1', 'SUCCESS', { expires: undefined })]);
  const item = await itemOf("b'celery-task-meta-i-1'");
  expect(Object.keys(item ?? {}).toSorted()).toEqual(['id', 'result', 'timestamp', 'ttl']);
  expect(Buffer.from(item?.result?.B ?? [])).toEqual(Buffer.from(bodyOf('i-1', 'SUCCESS')));
  expect(Number(item?.ttl?.N) - Number(item?.timestamp?.N)).toBeCloseTo(600, -1);
  const plain = untilEnd(await openBackend(onDynamo('?ttl_seconds=-1', { keys: 'plain' })));
  await plain.put([make('i-2', 'SUCCESS')]);
  expect(Object.keys((await itemOf('celery-task-meta-i-2')) ?? {}).toSorted()).toEqual(['id', 'result', 'timestamp']);
  client.destroy();
});

it('Azure has a blob with the name that Celery gives it', async () => {
  const backend = untilEnd(await openBackend(onAzure({ basePath: 'base/', globalKeyprefix: 'shop' })));
  const make = await maker(backend);
  await backend.put([make('b-1', 'SUCCESS')]);
  const container = BlobServiceClient.fromConnectionString(azure.connectionString).getContainerClient('results');
  const bytes = await container.getBlobClient('base/shop_celery-task-meta-b-1').downloadToBuffer();
  expect(bytes).toEqual(Buffer.from(bodyOf('b-1', 'SUCCESS')));
});

it('etcd goes on after its death, and refuses an older attempt in the same step as it looks', async () => {
  const backend = untilEnd(await openBackend(onEtcd()));
  const make = await maker(backend);
  const id = randomUUID();
  await backend.fence?.(id, 3, 60);
  await etcd.kill();
  const put = backend.put([make(id, 'SUCCESS', { attempt: 2 }), make(`${id}-b`, 'SUCCESS')]);
  await etcd.restart();
  expect(await put).toEqual([id]);
  await eventually(backend, `${id}-b`, 'SUCCESS');
});

it('addresses that mean nothing are refused, and secrets are masked', async () => {
  await expect(openBackend(optionsFor('s3://'))).rejects.toThrow(/need a bucket/);
  await expect(openBackend(optionsFor('azureblockblob://DefaultAzureCredential@https://x'))).rejects.toThrow(/connection string/);
  await expect(openBackend(optionsFor('dynamodb://key@eu-west-1/t'))).rejects.toThrow(/one of key and secret/);
  await expect(openBackend(optionsFor('dynamodb://eu-west-1/t?ttl_seconds=day'))).rejects.toThrow(/whole number/);
  await expect(openBackend(optionsFor('etcd://'))).rejects.toBeInstanceOf(ConfigurationError);
  for (const options of [onDynamo(), onAzure(), optionsFor('etcd://user:secret@127.0.0.1:1')]) {
    const backend = untilEnd(await openBackend(options));
    expect(backend.url).not.toMatch(/secret|Eby8vdM/);
  }
  expect(redactUrl(`azureblockblob://${azure.connectionString}`)).not.toContain('Eby8vdM');
});

it('a bucket that is not there is an error of its own', async () => {
  const missing = { ...onS3(), url: 's3://nowhere/' };
  const backend = untilEnd(await openBackend(missing));
  await expect(backend.check(never)).rejects.toThrow(/result store s3 failed/);
  await expect(backend.get(['a'])).rejects.toThrow(/result store s3 failed/);
});

it('a server that takes a request and never answers is given up', async () => {
  const port = await freePorts();
  const silent = createTcpServer().listen(port, '127.0.0.1');
  const endpoint = `http://127.0.0.1:${port}`;
  const connection = azure.connectionString.replace(/BlobEndpoint=[^;]*/, `BlobEndpoint=${endpoint}/devstoreaccount1`);
  const asked = {
    s3: onS3({ endpointUrl: endpoint, readTimeout: 0.2 }),
    dynamodb: onDynamo('', { endpointUrl: endpoint, readTimeout: 0.2 }),
  };
  const all = { ...asked, azure: { ...onAzure({ readTimeout: 0.2 }), url: `azureblockblob://${connection}` } };
  for (const [name, options] of Object.entries(all)) {
    const backend = untilEnd(await openBackend({ ...options, retry: { maxRetries: 1, baseSleep: 1, maxSleep: 1 } }));
    await expect(backend.get(['a'])).rejects.toThrow(
      new RegExp(`result store ${name} (failed: .*timed out after|did not answer)`),
    );
  }
  for (const readTimeout of [0, '30'])
    await expect(openBackend(onS3({ readTimeout }))).rejects.toThrow(/^The transport option readTimeout is .*seconds/);
  silent.close();
});
