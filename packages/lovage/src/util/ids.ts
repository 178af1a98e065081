// Ids: every id that Lovage makes is a UUID; randomness comes from here alone.
import { randomUUID } from 'node:crypto';

/** A new lower-case UUID version 4. */
export function uuid(): string {
  return randomUUID();
}
