// Whether a message leads anywhere: a mandatory one comes back where it does not. Asking for a queue or a binding that is not there would
// close a channel, and be an error in the log of the server.
import { PublishError, QueueNotFoundError } from '../../util/index.ts';
import type { Outgoing } from '../seam.ts';

/** Publishes, and resolves when all are confirmed; rejects with PublishError. */
export type Send = (messages: readonly Outgoing[], signal: AbortSignal) => Promise<void>;

export interface Question {
  readonly exchange: string;
  readonly routingKey: string;
  /** Milliseconds, where what it leads to would keep it. */
  readonly expiration?: string;
}

/** Which of these lead to a queue. Throws what `send` does. */
export async function leading(questions: readonly Question[], send: Send, signal: AbortSignal): Promise<readonly boolean[]> {
  if (questions.length === 0) return [];
  const messages = questions.map(({ exchange, routingKey, expiration }): Outgoing => {
    const properties = { contentType: 'application/data', contentEncoding: 'binary', deliveryMode: 1 };
    const life = expiration === undefined ? {} : { expiration };
    return { exchange, routingKey, headers: {}, properties: { ...properties, ...life }, body: new Uint8Array() };
  });
  try {
    await send(messages, signal);
    return questions.map(() => true);
  } catch (error) {
    if (!(error instanceof PublishError)) throw error;
    const other = error.failures.find(({ cause }) => !(cause instanceof QueueNotFoundError));
    if (other !== undefined) throw error;
    const missing = new Set(error.failures.map(({ index }) => index));
    return questions.map((_, index) => !missing.has(index));
  }
}
