// A Redis master with one replica and one Sentinel that watches them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { isListening, type RedisServer, startRedis, type TlsFiles } from './redis.ts';
import { answers, type Server, startServer, temporaryFolder } from './server.ts';

/** A Sentinel and its master, both behind TLS. */
export interface SafeSentinel extends AsyncDisposable {
  /** `sentinel://localhost:…/0`. */
  readonly url: string;
  readonly masterName: string;
}

/** Without a replica: for tests of what TLS checks. */
export async function startSafeSentinel(tls: TlsFiles): Promise<SafeSentinel> {
  const master = await startRedis({ tls });
  const port = await freePorts();
  const folder = temporaryFolder('sentinel');
  const config = join(folder, 'sentinel.conf');
  const lines = [
    ...['port 0', `tls-port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`],
    ...[`tls-ca-cert-file ${tls.ca}`, 'tls-auth-clients no', 'tls-replication yes'],
    ...[`sentinel monitor mymaster 127.0.0.1 ${master.port} 1`, ''],
  ];
  writeFileSync(config, lines.join('\n'));
  const command = requireBinary(['redis-sentinel', 'valkey-sentinel'], ['redis-sentinel']);
  const ready = (): Promise<boolean> => isListening(port);
  const sentinel = await startServer({ name: 'Sentinel', port, command, args: [config], ready }, folder);
  return {
    url: `sentinel://localhost:${port}/0`,
    masterName: 'mymaster',
    [Symbol.asyncDispose]: async () => {
      for (const server of [sentinel, master]) await server[Symbol.asyncDispose]();
    },
  };
}

export interface SentinelSet extends AsyncDisposable {
  /** `sentinel://…/0`, master name `mymaster`. */
  readonly url: string;
  readonly masterName: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly sentinel: Server;
}

export async function startSentinel(): Promise<SentinelSet> {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
  const port = await freePorts();
  const folder = temporaryFolder('sentinel');
  const config = join(folder, 'sentinel.conf');
  writeFileSync(
    config,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds mymaster 500',
      'sentinel failover-timeout mymaster 2000',
      '',
    ].join('\n'),
  );
  const command = requireBinary(['redis-sentinel', 'valkey-sentinel'], ['redis-sentinel']);
  const knowsReplica = (): Promise<boolean> =>
    answers(port, 'SENTINEL REPLICAS mymaster\r\n', (answer) => `${answer}`.includes(`${replica.port}`));
  const sentinel = await startServer({ name: 'Sentinel', port, command, args: [config], ready: knowsReplica }, folder);
  return {
    url: `sentinel://127.0.0.1:${port}/0`,
    masterName: 'mymaster',
    master,
    replica,
    sentinel,
    [Symbol.asyncDispose]: async () => {
      for (const server of [sentinel, replica, master]) await server[Symbol.asyncDispose]();
    },
  };
}
