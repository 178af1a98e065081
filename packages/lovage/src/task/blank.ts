// The request of a task that came without a message: called like a function, or failed before it was ever sent.
import { EMPTY_EMBED, type TaskRequest } from '../protocol/index.ts';
import { currentRequest } from './attempt.ts';
import type { CurrentRequest } from './context.ts';

/** A request of which only this much is known. It is its own root. */
export function blankRequest(
  { id, task, hostname }: Pick<TaskRequest, 'id' | 'task' | 'hostname'>,
  { args, kwargs }: Pick<CurrentRequest, 'args' | 'kwargs'>,
): CurrentRequest {
  return currentRequest(
    {
      id,
      task,
      lang: 'js',
      shadow: undefined,
      eta: undefined,
      expires: undefined,
      group: undefined,
      groupIndex: undefined,
      retries: 0,
      timeLimit: undefined,
      softTimeLimit: undefined,
      rootId: id,
      parentId: undefined,
      argsRepr: '',
      kwargsRepr: '',
      origin: undefined,
      ignoreResult: undefined,
      replacedTaskNesting: 0,
      stampedHeaders: undefined,
      stamps: {},
      headers: {},
      correlationId: undefined,
      replyTo: undefined,
      deliveryInfo: { exchange: '', routingKey: '', priority: undefined, redelivered: false },
      attempts: 1,
      etaAt: undefined,
      expiresAt: undefined,
      hostname,
      contentType: '',
      contentEncoding: '',
      compression: undefined,
      protocol: 2,
    },
    { args, kwargs, embed: EMPTY_EMBED },
    { isEager: false, calledDirectly: true },
  );
}
