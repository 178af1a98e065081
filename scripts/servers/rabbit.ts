// A private RabbitMQ node with an epmd of its own.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { guardEpmd, killEpmd } from './guard.ts';
import { findBinary, requireBinary } from './install.ts';
import { freePorts } from './ports.ts';
import { answers, type Server, startServer, temporaryFolder } from './server.ts';
import { selfSignedCertificate } from './tls.ts';

export interface RabbitOptions {
  readonly tls?: boolean;
  /** Further lines of rabbitmq.conf. */
  readonly config?: readonly string[];
}

export interface RabbitServer extends Server {
  /** Virtual host `/`. */
  readonly url: string;
  /** With `tls`. */
  readonly tlsUrl: string | undefined;
  readonly caFile: string | undefined;
  /** Runs rabbitmqctl against this node; resolves to what it prints. */
  ctl(...args: readonly string[]): Promise<string>;
}

export async function startRabbit(options: RabbitOptions = {}): Promise<RabbitServer> {
  // The script in the library folder: the one on the PATH changes the user and drops the environment.
  const script = requireBinary(
    ['/usr/lib/rabbitmq/bin/rabbitmq-server', '/opt/homebrew/sbin/rabbitmq-server', '/usr/local/sbin/rabbitmq-server'],
    ['rabbitmq-server'],
  );
  const port = await freePorts(4);
  const [distribution, tlsPort, epmd] = [port + 1, port + 2, port + 3];
  const folder = temporaryFolder('rabbit');
  const certificate = options.tls === true ? selfSignedCertificate(folder) : undefined;
  const tls = certificate
    ? [
        `listeners.ssl.default = ${tlsPort}`,
        `ssl_options.cacertfile = ${certificate.cert}`,
        `ssl_options.certfile = ${certificate.cert}`,
        `ssl_options.keyfile = ${certificate.key}`,
      ]
    : [];
  writeFileSync(
    join(folder, 'rabbitmq.conf'),
    [
      `listeners.tcp.default = 127.0.0.1:${port}`,
      'log.console = false',
      'log.file.level = warning',
      'disk_free_limit.absolute = 1MB',
      // More than any machine has: no alarm but the one that a test asks for. Bodies of 100 MB are tested beside other files.
      'vm_memory_high_watermark.absolute = 1000GB',
      ...tls,
      ...(options.config ?? []),
      '',
    ].join('\n'),
  );
  writeFileSync(join(folder, 'enabled_plugins'), '[].');
  const node = `lovage${port}@localhost`;
  const env = {
    PATH: `${process.env.PATH}:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: folder,
    RABBITMQ_NODENAME: node,
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_DIST_PORT: `${distribution}`,
    ERL_EPMD_PORT: `${epmd}`,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // Else a rabbitmqctl that meets a dying node writes it where the tests were started.
    ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}',
  };
  const mapper = findBinary('epmd') ?? findBinary('/usr/lib/erlang/erts-*/bin/epmd');
  if (mapper) guardEpmd(mapper, epmd);
  const server = await startServer(
    {
      name: 'RabbitMQ',
      port,
      command: script,
      args: [],
      env,
      ready: () => answers(port, Buffer.from('AMQP\0\0\x09\x01', 'latin1'), () => true),
      afterEnd: async () => {
        if (mapper) await killEpmd(mapper, epmd);
      },
    },
    folder,
  );
  return Object.assign(server, {
    url: `amqp://guest:guest@127.0.0.1:${port}//`,
    tlsUrl: certificate ? `amqps://guest:guest@localhost:${tlsPort}//` : undefined,
    caFile: certificate?.cert,
    ctl: async (...args: readonly string[]) => {
      const { stdout } = await promisify(execFile)(join(dirname(script), 'rabbitmqctl'), ['-q', '-n', node, ...args], { env });
      return stdout;
    },
  });
}
