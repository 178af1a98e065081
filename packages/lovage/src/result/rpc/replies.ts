// Sending results to reply queues. A client whose line was lost declares its queue again within moments, so a result that finds
// none waits a little; a client that is gone gets nothing, as with Celery, and costs that wait only once in a while.
import { type AmqpLetter, type AmqpPublisher, BackendError, PublishError, QueueNotFoundError, sleep } from '../../util/index.ts';
import type { StoredResult } from '../seam.ts';

/** Seconds in which a result has to be confirmed. */
const TIMEOUT = 30;
/** Seconds between tries, one for each try, while the reply queue is missing. */
const GRACE: readonly number[] = [0.05, 0.1, 0.2, 0.4, 0.8];
/** Seconds for which a client that did not come back is taken to be gone. */
const GONE_FOR = 30;

export interface Replies {
  send(results: readonly StoredResult[]): Promise<void>;
}

function toLetter(result: StoredResult, persistent: boolean): AmqpLetter {
  const { body, contentType, contentEncoding, correlationId, id, replyTo = '' } = result;
  return {
    exchange: '',
    routingKey: replyTo,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    properties: {
      contentType,
      contentEncoding,
      correlationId: correlationId ?? id,
      deliveryMode: persistent ? 2 : 1,
      priority: 0,
      headers: {},
    },
    mandatory: true,
  };
}

/** The letters whose queue is missing. Throws when anything else went wrong. */
async function attempt(publisher: AmqpPublisher, letters: readonly AmqpLetter[]): Promise<readonly AmqpLetter[]> {
  try {
    await publisher.publish(letters, AbortSignal.timeout(TIMEOUT * 1000));
    return [];
  } catch (error) {
    const failures = error instanceof PublishError ? error.failures : undefined;
    if (failures === undefined || failures.some(({ cause }) => !(cause instanceof QueueNotFoundError))) {
      const why = error instanceof Error ? error.message : String(error);
      throw new BackendError(`The rpc result backend could not send ${letters.length} results: ${why}`, { cause: error });
    }
    return failures.flatMap(({ index }) => letters[index] ?? []);
  }
}

export function createReplies(publisher: AmqpPublisher, persistent: boolean): Replies {
  /** Reply queue → performance.now() until which nobody waits for it. */
  const gone = new Map<string, number>();

  function isGone(queue: string): boolean {
    const until = gone.get(queue);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    gone.delete(queue);
    return false;
  }

  async function send(results: readonly StoredResult[]): Promise<void> {
    const addressed = results.filter((result) => result.replyTo !== undefined && result.replyTo !== '');
    if (addressed.length === 0) return;
    let missing = await attempt(
      publisher,
      addressed.map((result) => toLetter(result, persistent)),
    );
    for (const pause of GRACE) {
      missing = missing.filter((letter) => !isGone(letter.routingKey));
      if (missing.length === 0) return;
      await sleep(pause);
      missing = await attempt(publisher, missing);
    }
    for (const letter of missing) gone.set(letter.routingKey, performance.now() + GONE_FOR * 1000);
  }

  return { send };
}
