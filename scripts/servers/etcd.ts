// A private etcd, one node.
import { requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { type Server, startServer, temporaryFolder } from './server.ts';

export interface EtcdServer extends Server {
  /** `etcd://…`. */
  readonly url: string;
}

export async function startEtcd(): Promise<EtcdServer> {
  const command = requireBinary(['etcd'], ['etcd-server']);
  const port = await freePorts(2);
  const folder = temporaryFolder('etcd');
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`];
  const server = await startServer(
    {
      name: 'etcd',
      port,
      command,
      args: [
        ...['--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
      ],
      ready: () =>
        fetch(`${client}/health`).then(
          async (answer) => `${await answer.text()}`.includes('true'),
          () => false,
        ),
    },
    folder,
  );
  return Object.assign(server, { url: `etcd://127.0.0.1:${port}` });
}
