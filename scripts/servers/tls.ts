// A throw-away certificate for localhost.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { requireBinary } from './install.ts';

export function selfSignedCertificate(folder: string): { readonly cert: string; readonly key: string } {
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  const openssl = requireBinary(['openssl'], ['openssl']);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync(
    openssl,
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '30', ...subject],
    { stdio: 'ignore' },
  );
  return { cert, key };
}
