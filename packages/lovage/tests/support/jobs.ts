// Jobs and outcomes made by hand, for tests of pools and of the consumer.
import type { TaskRequest } from '../../src/protocol/index.ts';
import type { Job, Outcome } from '../../src/task/index.ts';

/** A request with nothing special about it. */
export function requestOf(id: string, fields: Partial<TaskRequest> = {}): TaskRequest {
  return {
    id,
    task: 'tests.task',
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
    argsRepr: '()',
    kwargsRepr: '{}',
    origin: undefined,
    ignoreResult: undefined,
    replacedTaskNesting: 0,
    stampedHeaders: undefined,
    stamps: {},
    headers: {},
    correlationId: id,
    replyTo: undefined,
    deliveryInfo: { exchange: '', routingKey: 'celery', priority: 0, redelivered: false },
    attempts: 1,
    etaAt: undefined,
    expiresAt: undefined,
    hostname: 'w@test',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    compression: undefined,
    protocol: 2,
    ...fields,
  };
}

export function jobOf(id: string, fields: Partial<Omit<Job, 'request'>> = {}, request: Partial<TaskRequest> = {}): Job {
  return {
    request: requestOf(id, request),
    body: new TextEncoder().encode('[[], {}, {}]'),
    timeLimit: undefined,
    softTimeLimit: undefined,
    ...fields,
  };
}

export function outcomeOf(state: Outcome['state'], fields: Partial<Outcome> = {}): Outcome {
  return { state, results: [], next: [], runtime: 1, repr: `'${state}'`, ...fields };
}
