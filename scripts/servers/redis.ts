// A private Redis.
import { requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { answers, type Server, startServer, temporaryFolder } from './server.ts';
import { selfSignedCertificate } from './tls.ts';

export interface RedisOptions {
  /** How hard it tries to keep what it confirmed. @default 'off' */
  readonly appendonly?: 'off' | 'everysec' | 'always';
  readonly password?: string;
  /** `true`: with a certificate that it makes for itself; else with these files, all of PEM. */
  readonly tls?: boolean | TlsFiles;
  /** Further command line arguments. */
  readonly args?: readonly string[];
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Arguments with which a Redis speaks TLS only. */
export function tlsArguments({ cert, key, ca }: TlsFiles, port: number): readonly string[] {
  return [
    ...['--port', '0', '--tls-port', `${port}`, '--tls-cert-file', cert, '--tls-key-file', key],
    ...['--tls-ca-cert-file', ca, '--tls-auth-clients', 'no'],
  ];
}

function filesOf(tls: boolean | TlsFiles, folder: string): TlsFiles | undefined {
  if (typeof tls !== 'boolean') return tls;
  const own = tls ? selfSignedCertificate(folder) : undefined;
  return own && { ...own, ca: own.cert };
}

export interface RedisServer extends Server {
  /** Database 0. */
  readonly url: string;
  /** The authority's certificate, with `tls`. */
  readonly caFile: string | undefined;
}

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const command = requireBinary(['redis-server', 'valkey-server'], ['redis-server']);
  const port = await freePorts();
  const folder = temporaryFolder('redis');
  const aof = options.appendonly ?? 'off';
  const certificate = filesOf(options.tls ?? false, folder);
  const listen = certificate ? tlsArguments(certificate, port) : ['--port', `${port}`];
  const server = await startServer(
    {
      name: 'Redis',
      port,
      command,
      args: [
        ...listen,
        ...['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'no'],
        ...['--appendonly', aof === 'off' ? 'no' : 'yes', '--appendfsync', aof === 'off' ? 'no' : aof],
        ...(options.password === undefined ? [] : ['--requirepass', options.password]),
        ...(options.args ?? []),
      ],
      // With TLS any answer to plain text (an alert) shows that it listens; else -NOAUTH or +PONG is a protocol answer.
      ready: () =>
        certificate
          ? answers(port, 'x', () => true).then((spoke) => spoke || isListening(port))
          : answers(port, 'PING\r\n', (answer) => /^(\+PONG|-NOAUTH)/.test(`${answer}`)),
    },
    folder,
  );
  const credentials = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
  return Object.assign(server, {
    url: `${certificate ? 'rediss' : 'redis'}://${credentials}127.0.0.1:${port}/0`,
    caFile: certificate?.ca,
  });
}

export async function isListening(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
