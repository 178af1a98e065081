// A task that computes: about five milliseconds of a core, in OpenSSL here as in Python.
import { pbkdf2Sync } from 'node:crypto';

/** Rounds of PBKDF2; the Celery peer has the same. */
const ROUNDS = 30_000;

export function hash(password: string): string {
  return pbkdf2Sync(password, 'salt', ROUNDS, 32, 'sha256').toString('hex');
}
