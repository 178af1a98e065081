// Servers behind TLS with certificates that are right or wrong, on loopback: a line to a real server, or one that hears a client out.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket, createServer as tlsServer } from 'node:tls';
import { makeCertificate, type Name, pemOf, rsaPair } from './certificates.ts';

/** An authority of a test, and certificates that it made. */
export interface Authority extends Disposable {
  readonly caFile: string;
  readonly ca: string;
  /** Names localhost and 127.0.0.1, or localhost alone, or another host; good for a day unless it has expired. */
  certificate(kind: CertificateKind): { readonly cert: string; readonly key: string };
  /** The same as files. */
  files(kind: CertificateKind): { readonly cert: string; readonly key: string; readonly ca: string };
}

export type CertificateKind = 'good' | 'onlyName' | 'otherHost' | 'expired';

const HOSTS: Readonly<Record<CertificateKind, readonly string[]>> = {
  good: ['localhost', '127.0.0.1'],
  onlyName: ['localhost'],
  otherHost: ['elsewhere.example'],
  expired: ['localhost', '127.0.0.1'],
};

export function authority(): Authority {
  const subject: Name = [['CN', 'Authority of a test']];
  const pair = rsaPair();
  const ca = makeCertificate({ subject, pair, ca: true });
  const folder = mkdtempSync(join(tmpdir(), 'lovage-tls-'));
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, ca);
  const own = rsaPair();
  const now = Date.now() / 1000;
  const certificate: Authority['certificate'] = (kind) => {
    const hosts = HOSTS[kind];
    const dates = kind === 'expired' ? { from: now - 7200, to: now - 3600 } : {};
    const cert = makeCertificate({
      subject: [['CN', hosts[0] ?? '']],
      pair: own,
      issuer: { subject, pair },
      serial: 2n,
      hosts,
      ...dates,
    });
    return { cert, key: pemOf(own) };
  };
  return {
    ca,
    caFile,
    certificate,
    files: (kind) => {
      const made = certificate(kind);
      const [cert, key] = [join(folder, `${kind}.pem`), join(folder, `${kind}.key`)];
      writeFileSync(cert, made.cert);
      writeFileSync(key, made.key);
      return { cert, key, ca: caFile };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface Line extends AsyncDisposable {
  readonly port: number;
  /** What clients said behind TLS. */
  heard(): Buffer;
}

async function listening(server: Server, sockets: Set<Socket>, heard: () => Buffer = () => Buffer.alloc(0)): Promise<Line> {
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    heard,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => void server.close(done));
    },
  };
}

/** TLS in front of a plain server. */
export function tlsLine(certificate: { readonly cert: string; readonly key: string }, port: number): Promise<Line> {
  const sockets = new Set<Socket>();
  const server = tlsServer(certificate, (client) => {
    const line = connect(port, '127.0.0.1');
    for (const socket of [client, line]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(line).pipe(client);
    client.on('close', () => line.destroy());
    line.on('close', () => client.destroy());
  });
  server.on('tlsClientError', () => undefined);
  return listening(server, sockets);
}

/** A server that begins TLS in the middle of a talk: says `greeting`, waits for the client's request of so many bytes, answers `agreed`, and hears what follows. */
export function upgradingServer(
  certificate: { readonly cert: string; readonly key: string },
  { greeting, request, agreed }: { readonly greeting?: Buffer; readonly request: number; readonly agreed?: Buffer },
): Promise<Line> {
  const sockets = new Set<Socket>();
  const said: Buffer[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (greeting !== undefined) socket.write(greeting);
    socket.once('readable', () => {
      // What the client asks with; its TLS may follow in the same packet.
      socket.read(request);
      if (agreed !== undefined) socket.write(agreed);
      const safe = new TLSSocket(socket, { isServer: true, ...certificate });
      safe.on('error', () => undefined);
      safe.on('data', (chunk: Buffer) => {
        said.push(chunk);
        safe.end();
      });
    });
  });
  return listening(server, sockets, () => Buffer.concat(said));
}
