// A task that computes: about five milliseconds of a core, in OpenSSL here as in Python.
import { pbkdf2Sync } from 'node:crypto';

/** Rounds of PBKDF2; the Celery peer has the same. */
export const ROUNDS = 30_000;

export function hash(password: string, rounds: number = ROUNDS): string {
  return pbkdf2Sync(password, 'salt', rounds, 32, 'sha256').toString('hex');
}

/** Tasks that hash once and no more, before those that are measured: a program that is compiled while it runs is not ready after a thousand. */
export const WARM_UP = 20_000;
