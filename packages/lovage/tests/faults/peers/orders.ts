// What a peer's program is told at its start, in the environment variable FAULT_PEER; loads come as for Lovage's producers.
import { join } from 'node:path';

/** Debian's Celery, as worker or producer. */
export const CELERY: { readonly command: string; readonly args: readonly string[] } = {
  command: '/usr/bin/python3',
  args: [join(import.meta.dirname, 'celery_peer.py')],
};

export interface PeerOrders {
  readonly role: 'worker' | 'producer';
  /** Folder of the ledger. */
  readonly folder: string;
  readonly name: string;
  readonly queue: string;
  readonly brokerUrl: string;
  readonly resultUrl: string;
  readonly concurrency: number;
  /** Seconds: Celery's visibility_timeout, BullMQ's lockDuration and stalledInterval. */
  readonly lease: number;
  readonly heartbeat: number;
  readonly publishTimeout: number;
}
