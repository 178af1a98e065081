// TLS to servers that name others: each is checked by its own name, the sentinels and their master, the nodes of a cluster; and to etcd.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type RedisCluster,
  type SafeSentinel,
  startCluster,
  startEtcd,
  startSafeSentinel,
} from '../../../../../scripts/servers/index.ts';
import { type BackendOptions, openBackend } from '../../../src/result/index.ts';
import { authority, tlsLine } from '../../support/tls-line.ts';
import { optionsFor } from './harness.ts';

const from = authority();
const stack = new AsyncDisposableStack();
const ca = `ssl_ca_certs=${encodeURIComponent(from.caFile)}`;
afterAll(async () => {
  await stack.disposeAsync();
  from[Symbol.dispose]();
});

/** What it says with what stands behind it; "it was taken" when it answers. */
async function said(url: string, more: Partial<BackendOptions> = {}): Promise<string> {
  const options = optionsFor(url, { connectTimeout: 1, retry: { maxRetries: 0, baseSleep: 1, maxSleep: 1 }, ...more });
  await using backend = await openBackend(options);
  try {
    await backend.get(['nobody']);
    return 'it was taken';
  } catch (error) {
    const words: string[] = [];
    for (let at: unknown = error; at instanceof Error; at = at.cause) words.push(at.message);
    return words.join(' ');
  }
}

describe('Redis behind Sentinel', () => {
  let good: SafeSentinel;
  let onlyName: SafeSentinel;
  beforeAll(async () => {
    [good, onlyName] = await Promise.all([startSafeSentinel(from.files('good')), startSafeSentinel(from.files('onlyName'))]);
    stack.use(good);
    stack.use(onlyName);
  });
  const behind = (set: SafeSentinel, tls: Readonly<Record<string, unknown>>): Promise<string> =>
    said(set.url, { tls, transportOptions: { masterName: set.masterName } });

  test('is taken when its certificates name it, sentinel and master', async () => {
    expect(await behind(good, { ssl_ca_certs: from.caFile })).toBe('it was taken');
  });

  test('is refused when nobody named the authority, and when the master shows the name of the sentinel', async () => {
    // The client keeps to itself what a sentinel's line failed of.
    expect(await behind(good, {})).toMatch(/All sentinels are unreachable/);
    expect(await behind(onlyName, { ssl_ca_certs: from.caFile })).toMatch(/altnames/i);
    expect(await behind(onlyName, { ssl_ca_certs: from.caFile, ssl_check_hostname: false })).toBe('it was taken');
  });
});

describe('Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = stack.use(await startCluster(from.files('onlyName')));
  });

  test('is refused by nodes that show another name, and taken where that does not matter', async () => {
    // The client keeps to itself what the lines to the nodes failed of.
    expect(await said(`${cluster.url}?${ca}`)).toMatch(/None of startup nodes/);
    expect(await said(`${cluster.url}?${ca}&ssl_check_hostname=false`)).toBe('it was taken');
  });

  test('is refused when nobody named the authority', async () => {
    const named = cluster.url.replaceAll('127.0.0.1', 'localhost');
    expect(await said(named)).toMatch(/None of startup nodes/);
  });
});

describe('etcd', () => {
  /** Asked by a program of its own: Node reads NODE_EXTRA_CA_CERTS when it starts. */
  async function asked(port: number, env: Readonly<Record<string, string>>): Promise<string> {
    const door = new URL('../../../src/result/index.ts', import.meta.url).href;
    const options = optionsFor(`etcd+https://localhost:${port}`, { retry: { maxRetries: 0, baseSleep: 1, maxSleep: 1 } });
    const program = `const { openBackend } = await import(${JSON.stringify(door)});
      const backend = await openBackend(${JSON.stringify(options)});
      try { await backend.get(['nobody']); console.log('it was taken'); }
      catch (error) { for (let at = error; at instanceof Error; at = at.cause) console.log(at.message); }
      await backend[Symbol.asyncDispose]();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
    });
    return stdout;
  }

  test('is checked by authority, name and date', async () => {
    await using server = await startEtcd();
    const lines = await Promise.all(
      (['good', 'otherHost', 'expired'] as const).map((kind) => tlsLine(from.certificate(kind), server.port)),
    );
    for (const line of lines) stack.use(line);
    const [good, otherHost, expired] = lines.map(({ port }) => port) as [number, number, number];
    const known = { NODE_EXTRA_CA_CERTS: from.caFile };
    const answers = await Promise.all([asked(good, known), asked(good, {}), asked(otherHost, known), asked(expired, known)]);
    expect(answers).toEqual([
      expect.stringContaining('it was taken'),
      expect.stringMatching(/certificate/i),
      expect.stringMatching(/altnames/i),
      expect.stringMatching(/expired/i),
    ]);
    await expect(openBackend(optionsFor('etcd+https://localhost:1?ssl_ca_certs=x.pem'))).rejects.toThrow('NODE_EXTRA_CA_CERTS');
  });
});
