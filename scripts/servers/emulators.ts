// Emulators of stores that only a cloud has: S3, DynamoDB, Azure Blob Storage. They come from npm into a folder of their own, at first need.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exclusively } from './install.ts';
import { freePorts } from './ports.ts';
import { type Server, startServer, temporaryFolder } from './server.ts';

const FOLDER = join(import.meta.dirname, 'emulators');

/** Installs the emulators when they are missing. */
export function installEmulators(): void {
  const isThere = (): boolean => existsSync(join(FOLDER, 'node_modules', '.package-lock.json'));
  if (isThere()) return;
  exclusively(() => {
    if (isThere()) return;
    console.error('Installing the emulators of S3, DynamoDB and Azure …');
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], {
      cwd: FOLDER,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  });
}

/** An emulator that speaks HTTP; `script` is its program inside the folder. */
async function start(name: string, script: string, argsOf: (port: number, folder: string) => readonly string[]): Promise<Server> {
  installEmulators();
  const port = await freePorts();
  const folder = temporaryFolder(name.toLowerCase());
  const program = join(FOLDER, 'node_modules', script);
  return startServer(
    {
      name,
      port,
      command: process.execPath,
      args: [program, ...argsOf(port, folder)],
      ready: () =>
        fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1000) }).then(
          () => true,
          () => false,
        ),
    },
    folder,
  );
}

export interface EmulatorServer extends Server {
  /** `http://…`. */
  readonly endpoint: string;
}

const withEndpoint = (server: Server): EmulatorServer => Object.assign(server, { endpoint: `http://127.0.0.1:${server.port}` });

/** s3rver with the bucket `lovage`; key and secret are `S3RVER`. It knows no conditional writes. */
export async function startS3(): Promise<EmulatorServer> {
  return withEndpoint(
    await start('S3', 's3rver/bin/s3rver.js', (port, folder) => [
      ...['-d', folder, '-a', '127.0.0.1', '-p', `${port}`, '--configure-bucket', 'lovage', '--silent'],
    ]),
  );
}

/** dynalite; any key and secret will do. */
export async function startDynamo(): Promise<EmulatorServer> {
  return withEndpoint(
    await start('DynamoDB', 'dynalite/cli.js', (port) => ['--host', '127.0.0.1', '--port', `${port}`, '--createTableMs', '0']),
  );
}

/** Azurite's blob service, with the account that every Azurite has. */
export async function startAzure(): Promise<EmulatorServer & { readonly connectionString: string }> {
  const server = withEndpoint(
    await start('Azurite', 'azurite/dist/src/blob/main.js', (port, folder) => [
      ...['--silent', '--location', folder, '--blobHost', '127.0.0.1', '--blobPort', `${port}`, '--skipApiVersionCheck'],
    ]),
  );
  // The account and key that Azurite documents.
  const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${key};BlobEndpoint=${server.endpoint}/devstoreaccount1;`;
  return Object.assign(server, { connectionString });
}
