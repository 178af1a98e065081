// Settings of the line to the broker, of remote control and of events.
import type { SettingRows } from './row.ts';

const tls = 'boolean | Readonly<Record<string, unknown>>';

export const brokerSettings: SettingRows = {
  brokerUrl: {
    kind: 'urls',
    default: 'sqlite://',
    old: 'BROKER_URL',
    about:
      "Address of the broker, or several for fail-over (RabbitMQ servers, or Sentinels of one Redis); 'sqlite://' is the embedded database file of the project, 'memory://' lives in this process.",
  },
  brokerReadUrl: {
    kind: 'urls',
    default: null,
    old: 'BROKER_READ_URL',
    about: 'Address that workers consume from; null: brokerUrl.',
  },
  brokerWriteUrl: {
    kind: 'urls',
    default: null,
    old: 'BROKER_WRITE_URL',
    about: 'Address that messages are published to; null: brokerUrl.',
  },
  brokerTransportOptions: {
    kind: 'map',
    default: {},
    old: 'BROKER_TRANSPORT_OPTIONS',
    about:
      'Options of the broker driver (visibilityTimeout, priority steps, global key prefix …), as Celery or as camelCase. A name that the driver does not know is refused; names of Celery’s own connections (max_retries, socket_keepalive, confirm_publish …) are accepted without an effect.',
  },
  brokerConnectionTimeout: {
    kind: 'seconds',
    default: 4,
    old: 'BROKER_CONNECTION_TIMEOUT',
    about:
      'Seconds to wait for a connection. A Redis that takes connections and says nothing gets twice as long at each further attempt, up to the silence that is borne of it later.',
  },
  brokerConnectionRetry: {
    kind: 'boolean',
    default: true,
    old: 'BROKER_CONNECTION_RETRY',
    about: 'A worker connects again after it lost its broker; false: it ends with exit code 1.',
  },
  brokerConnectionRetryOnStartup: {
    kind: 'boolean',
    default: null,
    old: 'BROKER_CONNECTION_RETRY_ON_STARTUP',
    about: 'A worker also repeats its very first connection; null: as brokerConnectionRetry.',
  },
  brokerConnectionMaxRetries: {
    kind: 'integer',
    default: 100,
    nullable: true,
    old: 'BROKER_CONNECTION_MAX_RETRIES',
    about: 'Connections a worker tries before it gives up; null: without end.',
  },
  brokerFailoverStrategy: {
    kind: 'any',
    default: 'round-robin',
    type: "'round-robin' | 'shuffle' | ((urls: readonly string[]) => Iterable<string>)",
    old: 'BROKER_FAILOVER_STRATEGY',
    about: "Order in which several broker addresses are tried: 'round-robin', 'shuffle', or a function of the list.",
    check: (value) =>
      value === 'round-robin' || value === 'shuffle' || typeof value === 'function'
        ? undefined
        : "must be 'round-robin', 'shuffle' or a function",
  },
  brokerHeartbeat: {
    kind: 'seconds',
    default: 10,
    old: 'BROKER_HEARTBEAT',
    about:
      'Seconds of silence after which a connection to the broker is asked for a sign of life; a dead one is noticed within two of them, sooner when a new connection is answered meanwhile, and with it all others to the same server. Leases are three.',
  },
  brokerLoginMethod: {
    kind: 'string',
    default: null,
    old: 'BROKER_LOGIN_METHOD',
    about: 'SASL mechanism of RabbitMQ; null: PLAIN.',
  },
  brokerNativeDelayedDeliveryQueueType: {
    kind: 'choice',
    choices: ['quorum', 'classic'],
    default: 'quorum',
    old: 'BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE',
    about: 'Type of the queues that hold delayed messages on RabbitMQ.',
  },
  brokerUseSsl: {
    kind: 'any',
    default: false,
    type: tls,
    old: 'BROKER_USE_SSL',
    about: 'TLS to the broker: true, or the options of node:tls; an address with a TLS scheme needs neither.',
    check: (value) => (typeof value === 'boolean' || isMap(value) ? undefined : 'must be true, false or a map of TLS options'),
  },
  redisInFlight: {
    kind: 'choice',
    choices: ['lovage', 'celery'],
    default: 'lovage',
    celery: null,
    about:
      "How a worker keeps what it holds on Redis: 'lovage' in lists with a lease, or 'celery' in Celery's unacked entries, so that Python peers can give it back.",
  },
  maxDeliveries: {
    kind: 'integer',
    default: 5,
    min: 1,
    celery: null,
    about: 'Deliveries after which a message that never finished goes to the dead letters.',
  },
  deadLetters: {
    kind: 'choice',
    choices: ['lovage', 'broker', 'off'],
    default: 'lovage',
    celery: null,
    about:
      "What happens to messages that cannot be worked on: 'lovage' keeps them in lovage.dead.<queue>, 'broker' rejects them, 'off' drops them with a log line.",
  },
  deadLettersTtl: {
    kind: 'seconds',
    default: 1_209_600,
    min: 1,
    celery: null,
    about: 'Seconds that a dead letter is kept.',
  },
  deadLettersMaxLength: {
    kind: 'integer',
    default: 100_000,
    min: 1,
    celery: null,
    about: 'Most dead letters kept of one queue; the oldest go first.',
  },
  controlExchange: {
    kind: 'string',
    default: 'celery',
    old: 'CONTROL_EXCHANGE',
    about: 'Name space of remote control; its exchange is <value>.pidbox.',
  },
  remoteControl: {
    kind: 'any',
    default: 'all',
    type: "'all' | 'inspect' | readonly string[]",
    celery: null,
    about:
      "Control commands that workers obey: 'all', 'inspect' (questions only), or a list of names, questions among them. Others are answered with an error.",
    check: (value) =>
      value === 'all' || value === 'inspect' || (Array.isArray(value) && value.every((name) => typeof name === 'string'))
        ? undefined
        : "must be 'all', 'inspect' or a list of names of commands",
  },
  controlQueueTtl: {
    kind: 'seconds',
    default: 300,
    old: 'CONTROL_QUEUE_TTL',
    about: 'Seconds that a control message waits in its queue.',
  },
  controlQueueExpires: {
    kind: 'seconds',
    default: 10,
    old: 'CONTROL_QUEUE_EXPIRES',
    about: 'Seconds after which an unused control queue is deleted.',
  },
  controlQueueExclusive: {
    kind: 'boolean',
    default: true,
    old: 'CONTROL_QUEUE_EXCLUSIVE',
    about: 'Control queues belong to one connection.',
  },
  controlQueueDurable: {
    kind: 'boolean',
    default: false,
    old: 'CONTROL_QUEUE_DURABLE',
    about: 'Control queues survive a restart of the broker; not together with controlQueueExclusive.',
  },
  eventExchange: {
    kind: 'string',
    default: 'celeryev',
    old: 'CELERY_EVENT_EXCHANGE',
    about: 'Name of the exchange of events.',
  },
  eventQueuePrefix: {
    kind: 'string',
    default: 'celeryev',
    old: 'CELERY_EVENT_QUEUE_PREFIX',
    about: 'Beginning of the names of monitor queues.',
  },
  eventQueueTtl: {
    kind: 'seconds',
    default: 5,
    old: 'CELERY_EVENT_QUEUE_TTL',
    about: 'Seconds that an event waits in a monitor queue.',
  },
  eventQueueExpires: {
    kind: 'seconds',
    default: 60,
    old: 'CELERY_EVENT_QUEUE_EXPIRES',
    about: 'Seconds after which an unused monitor queue is deleted.',
  },
  eventQueueExclusive: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_EVENT_QUEUE_EXCLUSIVE',
    about: 'Monitor queues belong to one connection.',
  },
  eventQueueDurable: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_EVENT_QUEUE_DURABLE',
    about: 'Monitor queues survive a restart of the broker; not together with eventQueueExclusive.',
  },
  eventSerializer: {
    kind: 'string',
    default: 'json',
    old: 'CELERY_EVENT_SERIALIZER',
    about: 'Serializer of events.',
  },
  eventUtcOffset: {
    kind: 'integer',
    default: null,
    celery: null,
    min: -14,
    about:
      'Hours west of UTC that events name; null: those of this machine. Python monitors in another zone shift times by the difference to their own, so 0 helps where all of them run in UTC.',
  },
};

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
