// What is wrong with a structured setting: each check answers with the end of a sentence ("… must be …"), or nothing.

const EXCHANGE_TYPES = ['direct', 'topic', 'fanout'];
const QUEUE_KEYS = new Set([
  'name',
  'exchange',
  'exchangeType',
  'routingKey',
  'bindings',
  'durable',
  'exclusive',
  'autoDelete',
  'maxPriority',
  'type',
  'messageTtl',
  'expires',
  'arguments',
  'deliveryMode',
  'broadcast',
]);

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RegExp);
}

/** taskQueues. */
export function checkQueues(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    for (const queue of value) {
      const wrong =
        typeof queue === 'string' ? undefined : isMap(queue) ? checkNamed(queue) : 'must list names or objects with a name';
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
  if (!isMap(value)) return 'must be a map of queue name to options, or a list of queues';
  for (const [name, options] of Object.entries(value)) {
    if (!isMap(options)) return `must give an object of options for the queue '${name}'`;
    const wrong = checkQueueOptions(name, options);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function checkNamed(queue: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof queue.name !== 'string' || queue.name === '') return 'must give every queue of the list a name';
  return checkQueueOptions(queue.name, queue);
}

function checkQueueOptions(name: string, options: Readonly<Record<string, unknown>>): string | undefined {
  for (const key of Object.keys(options)) {
    if (!QUEUE_KEYS.has(key)) return `must not have '${key}' for the queue '${name}'; known are ${[...QUEUE_KEYS].join(', ')}`;
  }
  const type = options.exchangeType;
  if (type !== undefined && !EXCHANGE_TYPES.includes(type as string)) {
    return `must give the queue '${name}' an exchangeType of ${EXCHANGE_TYPES.join(', ')}, not '${String(type)}'`;
  }
  const queueType = options.type;
  if (queueType !== undefined && queueType !== 'classic' && queueType !== 'quorum') {
    return `must give the queue '${name}' the type classic or quorum, not '${String(queueType)}'`;
  }
  return undefined;
}

function isRoute(value: unknown): boolean {
  return typeof value === 'string' || isMap(value);
}

function isPair(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    (typeof value[0] === 'string' || value[0] instanceof RegExp) &&
    isRoute(value[1])
  );
}

function checkRouter(value: unknown): string | undefined {
  if (typeof value === 'function') return undefined;
  if (Array.isArray(value)) return value.every(isPair) ? undefined : 'must list pairs of a pattern and a route';
  if (!isMap(value)) return 'must be a map, a function, a list of pairs, or a list of routers';
  if (typeof value.routeForTask === 'function') return undefined;
  for (const [name, route] of Object.entries(value)) {
    if (!isRoute(route)) return `must give '${name}' the name of a queue or an object of options`;
  }
  return undefined;
}

/** taskRoutes. */
export function checkRoutes(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.every(isPair)) return checkRouter(value);
  for (const router of value) {
    const wrong = checkRouter(router);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** taskAnnotations. */
export function checkAnnotations(value: unknown): string | undefined {
  for (const annotation of Array.isArray(value) ? value : [value]) {
    if (typeof annotation === 'function') continue;
    if (!isMap(annotation)) return 'must be a map of task name to options, a function, or a list of those';
    for (const [name, options] of Object.entries(annotation)) {
      if (!isMap(options)) return `must give '${name}' an object of task options`;
    }
  }
  return undefined;
}

/** beatSchedule. */
export function checkSchedule(value: unknown): string | undefined {
  for (const [name, entry] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    if (!isMap(entry)) return `must give the entry '${name}' an object with task and schedule`;
    if (!('task' in entry) || !('schedule' in entry)) return `must give the entry '${name}' both task and schedule`;
  }
  return undefined;
}

/** taskPublishRetryPolicy. */
export function checkRetryPolicy(value: unknown): string | undefined {
  for (const [key, number] of Object.entries(value as Readonly<Record<string, unknown>>)) {
    if (!['maxRetries', 'intervalStart', 'intervalStep', 'intervalMax'].includes(key)) {
      return `must not have '${key}'; known are maxRetries, intervalStart, intervalStep, intervalMax`;
    }
    if (key === 'maxRetries' && number === null) continue;
    if (typeof number !== 'number' || !(number >= 0)) return `must give ${key} a number of 0 or more`;
  }
  return undefined;
}
