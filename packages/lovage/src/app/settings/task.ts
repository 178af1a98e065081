// Settings of tasks: their defaults, how they are published, queues and routes.
import { annotationsForm, queuesForm, retryPolicyForm } from './celery-forms.ts';
import { checkAnnotations, checkQueues, checkRetryPolicy, checkRoutes, checkSerializer } from './checks.ts';
import type { SettingRows } from './row.ts';

export const taskSettings: SettingRows = {
  taskAcksLate: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_ACKS_LATE',
    about: 'Acknowledge a message after its task has ended, so that a dead worker loses nothing; false: before it starts.',
  },
  taskAcksOnFailureOrTimeout: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_ACKS_ON_FAILURE_OR_TIMEOUT',
    about: 'With late acknowledgement, what the next two settings are when they are null.',
  },
  taskAcksOnFailure: {
    kind: 'boolean',
    default: null,
    old: 'CELERY_ACKS_ON_FAILURE',
    about: 'With late acknowledgement, acknowledge failed tasks too; false: reject them without requeueing.',
  },
  taskAcksOnTimeout: {
    kind: 'boolean',
    default: null,
    old: 'CELERY_ACKS_ON_TIMEOUT',
    about: 'With late acknowledgement, acknowledge tasks that hit their hard time limit; false: requeue them.',
  },
  taskRejectOnWorkerLost: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_REJECT_ON_WORKER_LOST',
    about: 'With late acknowledgement, requeue a task whose process died under it; false: it fails with WorkerLostError.',
  },
  taskAlwaysEager: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_ALWAYS_EAGER',
    about: 'Run tasks in the calling process instead of sending them.',
  },
  taskEagerPropagates: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_EAGER_PROPAGATES_EXCEPTIONS',
    about: 'The call of an eager task throws what the task throws.',
  },
  taskStoreEagerResult: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_STORE_EAGER_RESULT',
    about: 'Results of eager tasks are stored too.',
  },
  taskAnnotations: {
    kind: 'any',
    default: null,
    type: 'Annotations | null',
    old: 'CELERY_ANNOTATIONS',
    form: annotationsForm,
    check: checkAnnotations,
    about: "Options laid over those that tasks declare: a map of task name, or '*' for all, to options; the name beats '*'.",
  },
  taskSerializer: {
    kind: 'string',
    default: 'json',
    old: 'CELERY_TASK_SERIALIZER',
    check: checkSerializer,
    about: 'Serializer of task messages.',
  },
  taskCompression: {
    kind: 'string',
    default: null,
    old: 'CELERY_MESSAGE_COMPRESSION',
    about: 'Compression of task messages; null: none.',
  },
  taskProtocol: {
    kind: 'choice',
    choices: [1, 2],
    default: 2,
    old: 'CELERY_TASK_PROTOCOL',
    about: 'Version of the message format that is sent; both are read.',
  },
  taskCreateMissingQueues: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_CREATE_MISSING_QUEUES',
    about: 'A queue that taskQueues does not name is created; false: naming it is a QueueNotFoundError.',
  },
  taskMissingQueue: {
    kind: 'any',
    default: null,
    type: 'MissingQueue | null',
    celery: null,
    about:
      'A function that is given the name of a queue that is created so, and answers with its options (Celery’s app.amqp.autoexchange).',
    check: (value) => (typeof value === 'function' ? undefined : 'must be a function'),
  },
  taskCreateMissingQueueType: {
    kind: 'choice',
    choices: ['classic', 'quorum'],
    default: 'classic',
    old: 'CELERY_CREATE_MISSING_QUEUE_TYPE',
    about: 'Type, on RabbitMQ, of the queues that are created because taskQueues does not name them.',
  },
  taskCreateMissingQueueExchangeType: {
    kind: 'choice',
    choices: ['direct', 'topic', 'fanout'],
    default: null,
    old: 'CELERY_CREATE_MISSING_QUEUE_EXCHANGE_TYPE',
    about: 'Type of their exchange; null: direct.',
  },
  taskDefaultQueue: {
    kind: 'string',
    default: 'celery',
    old: 'CELERY_DEFAULT_QUEUE',
    about: 'Queue of tasks that nothing routes elsewhere.',
  },
  taskDefaultQueueType: {
    kind: 'choice',
    choices: ['classic', 'quorum'],
    default: 'classic',
    old: 'CELERY_DEFAULT_QUEUE_TYPE',
    about: 'Type of the default queue on RabbitMQ.',
  },
  taskDefaultExchange: {
    kind: 'string',
    default: null,
    old: 'CELERY_DEFAULT_EXCHANGE',
    about: 'Exchange of queues that name none; null: the name of the default queue.',
  },
  taskDefaultExchangeType: {
    kind: 'choice',
    choices: ['direct', 'topic', 'fanout'],
    default: 'direct',
    old: 'CELERY_DEFAULT_EXCHANGE_TYPE',
    about: 'Type of that exchange.',
  },
  taskDefaultRoutingKey: {
    kind: 'string',
    default: null,
    old: 'CELERY_DEFAULT_ROUTING_KEY',
    about: 'Routing key of queues that name none; null: the name of the default queue.',
  },
  taskDefaultDeliveryMode: {
    kind: 'choice',
    choices: [1, 2, 'transient', 'persistent'],
    default: 2,
    old: 'CELERY_DEFAULT_DELIVERY_MODE',
    about: '2 or persistent: messages survive a restart of the broker; 1 or transient: they do not.',
  },
  taskDefaultPriority: {
    kind: 'any',
    default: null,
    type: "number | 'high' | 'normal' | 'low' | null",
    old: 'CELERY_DEFAULT_PRIORITY',
    about: "Priority of tasks that have none, as the broker understands it, or 'high', 'normal', 'low'.",
    check: (value) =>
      ['high', 'normal', 'low'].includes(value as string) || Number.isInteger(value)
        ? undefined
        : "must be a whole number, 'high', 'normal' or 'low'",
  },
  taskInheritParentPriority: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_INHERIT_PARENT_PRIORITY',
    about: 'A task sent by a running task gets its priority.',
  },
  taskDefaultRateLimit: {
    kind: 'any',
    default: null,
    type: 'number | string | null',
    old: 'CELERY_DEFAULT_RATE_LIMIT',
    about: "Rate limit, per worker, of tasks that have none: 10 or '10/s', '100/m', '5/h'.",
    check: (value) =>
      /^\d+(\.\d+)?(\/[smh])?$/.test(String(value)) ? undefined : "must be a number, or a text such as '10/s', '100/m' or '5/h'",
  },
  taskIgnoreResult: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_IGNORE_RESULT',
    about: 'Do not store what tasks return.',
  },
  taskStoreErrorsEvenIfIgnored: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_STORE_ERRORS_EVEN_IF_IGNORED',
    about: 'Store failures of tasks whose results are ignored.',
  },
  taskTrackStarted: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_TRACK_STARTED',
    about: 'Store the state STARTED when a task starts.',
  },
  taskTimeLimit: {
    kind: 'seconds',
    default: null,
    old: 'CELERYD_TASK_TIME_LIMIT',
    about: 'Seconds after which a task is ended.',
  },
  taskSoftTimeLimit: {
    kind: 'seconds',
    default: null,
    old: 'CELERYD_TASK_SOFT_TIME_LIMIT',
    about: 'Seconds after which a task is asked to end: its signal aborts with SoftTimeLimitExceededError.',
  },
  taskPublishTimeout: {
    kind: 'seconds',
    default: 10,
    celery: null,
    about: 'Seconds within which a publish is confirmed or rejects with PublishError, repeats included.',
  },
  taskPublishRetry: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_TASK_PUBLISH_RETRY',
    about:
      'Repeat a publish that surely was not stored. On RabbitMQ, what a lost connection left without a confirm is always written again on the next one, under the same id, until taskPublishTimeout.',
  },
  taskPublishRetryPolicy: {
    kind: 'map',
    default: { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 },
    type: 'PublishRetryPolicy',
    form: retryPolicyForm,
    check: checkRetryPolicy,
    old: 'CELERY_TASK_PUBLISH_RETRY_POLICY',
    about:
      'How often and after how many seconds: maxRetries, intervalStart, intervalStep, intervalMax; what is left out keeps its default.',
  },
  taskQueues: {
    kind: 'any',
    default: null,
    type: 'QueueList | null',
    old: 'CELERY_QUEUES',
    form: queuesForm,
    check: checkQueues,
    about:
      'Queues and how they are bound: a map of queue name to options (exchange, exchangeType, routingKey, bindings, durable, exclusive, autoDelete, type, maxPriority, maxLength, maxLengthBytes, messageTtl, expires, arguments, consumerArguments, deliveryMode, noDeclare, passive, exchangePassive, broadcast; Celery’s names too), or a list of queues; null: only the default queue.',
  },
  taskQueueMaxPriority: {
    kind: 'integer',
    default: null,
    old: 'CELERY_QUEUE_MAX_PRIORITY',
    about: 'Highest priority of every queue on RabbitMQ (x-max-priority).',
  },
  taskRoutes: {
    kind: 'any',
    default: null,
    type: 'Routes | null',
    old: 'CELERY_ROUTES',
    check: checkRoutes,
    about: "Which task goes where: a map of task name, glob with '*' or RegExp to a route, a list of routers, or a function.",
  },
  taskSendSentEvent: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_SEND_TASK_SENT_EVENT',
    about: 'Publish the event task-sent with every task.',
  },
  taskAllowErrorCbOnChordHeader: {
    kind: 'boolean',
    default: false,
    celery: 'task_allow_error_cb_on_chord_header',
    old: 'CELERY_ALLOW_ERROR_CB_ON_CHORD_HEADER',
    about: 'The linkError of a chord is linked to each task of its header too.',
  },
};
