// A private Redis Cluster: three masters without replicas, and each a third of the slots.
import { execFileSync } from 'node:child_process';
import { requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { type RedisServer, startRedis, type TlsFiles } from './redis.ts';

export interface RedisCluster extends AsyncDisposable {
  /** `redis+cluster://h:p;h:p;h:p`, `rediss+cluster` behind TLS. */
  readonly url: string;
  readonly nodes: readonly RedisServer[];
}

export async function startCluster(tls?: TlsFiles): Promise<RedisCluster> {
  // The port on which the nodes speak to each other would be 10,000 higher, among those that the kernel gives to clients.
  const args = [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    'nodes.conf',
    '--cluster-node-timeout',
    '2000',
    ...(tls === undefined ? [] : ['--tls-cluster', 'yes']),
    '--cluster-port',
  ];
  const nodes = await Promise.all(
    [0, 1, 2].map(async () => startRedis({ ...(tls === undefined ? {} : { tls }), args: [...args, `${await freePorts()}`] })),
  );
  const cli = requireBinary(['redis-cli', 'valkey-cli'], ['redis-tools']);
  const safe = tls === undefined ? [] : ['--tls', '--cacert', tls.ca];
  const ask = (port: number, ...command: readonly string[]): string =>
    execFileSync(cli, ['-h', '127.0.0.1', '-p', `${port}`, ...safe, ...command], { encoding: 'utf8' });
  const places = nodes.map(({ port }) => `127.0.0.1:${port}`);
  execFileSync(cli, [...safe, '--cluster', 'create', ...places, '--cluster-yes'], { stdio: 'ignore' });
  const limit = performance.now() + 30_000;
  const isWhole = (port: number): boolean => ask(port, 'CLUSTER', 'INFO').includes('cluster_state:ok');
  while (!nodes.every(({ port }) => isWhole(port))) {
    if (performance.now() > limit) throw new Error(`The Redis Cluster at ${places.join(', ')} did not become whole in 30 s.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url: `redis${tls === undefined ? '' : 's'}+cluster://${places.join(';')}`,
    nodes,
    [Symbol.asyncDispose]: async () => {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}
