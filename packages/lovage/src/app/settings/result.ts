// Settings of the result store.
import type { SettingRows } from './row.ts';

export const resultSettings: SettingRows = {
  resultBackend: {
    kind: 'string',
    default: null,
    old: 'CELERY_RESULT_BACKEND',
    about:
      "Address of the result store; null: the database of the broker (on RabbitMQ 'rpc://'); 'disabled://': results are not kept.",
  },
  resultBackendTransportOptions: {
    kind: 'map',
    default: {},
    old: 'CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS',
    about:
      'Options of the result store (global key prefix, Sentinel …). A name that the store does not know is refused; retry_policy and other names of Celery’s own connections are accepted without an effect.',
  },
  resultExpires: {
    kind: 'seconds',
    default: 86_400,
    nullable: true,
    old: 'CELERY_TASK_RESULT_EXPIRES',
    about: 'Seconds until a result may be deleted; null or 0: never.',
  },
  resultExtended: {
    kind: 'boolean',
    default: false,
    old: 'CELERY_RESULT_EXTENDED',
    about: 'Store the name, arguments, worker, retries and queue of the task beside its result.',
  },
  resultSerializer: {
    kind: 'string',
    default: 'json',
    old: 'CELERY_RESULT_SERIALIZER',
    about: 'Serializer of results.',
  },
  resultPersistent: {
    kind: 'boolean',
    default: null,
    old: 'CELERY_RESULT_PERSISTENT',
    about: "Result messages of 'rpc://' survive a restart of the broker; null: no.",
  },
  resultCacheMax: {
    kind: 'integer',
    default: -1,
    min: -1,
    old: 'CELERY_MAX_CACHED_RESULTS',
    about: 'Ready results kept in this process; -1: none, 0: without limit.',
  },
  resultChordRetryInterval: {
    kind: 'seconds',
    default: 1,
    old: 'CELERY_RESULT_CHORD_RETRY_INTERVAL',
    about: 'Seconds between two looks at a chord on a store that cannot join.',
  },
  resultChordJoinTimeout: {
    kind: 'seconds',
    default: 3,
    old: 'CELERY_RESULT_CHORD_JOIN_TIMEOUT',
    about: 'Seconds to wait for the results of a chord that is complete.',
  },
  resultBackendAlwaysRetry: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_RESULT_BACKEND_ALWAYS_RETRY',
    about: 'Repeat calls to the result store that failed for a passing reason.',
  },
  resultBackendMaxRetries: {
    kind: 'number',
    default: Number.POSITIVE_INFINITY,
    min: 0,
    old: 'CELERY_RESULT_BACKEND_MAX_RETRIES',
    about: 'How often.',
  },
  resultBackendBaseSleepBetweenRetriesMs: {
    kind: 'integer',
    default: 10,
    celery: 'result_backend_base_sleep_between_retries_ms',
    old: 'CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS',
    about: 'Milliseconds before the first repeat; each one after waits twice as long.',
  },
  resultBackendMaxSleepBetweenRetriesMs: {
    kind: 'integer',
    default: 10_000,
    celery: 'result_backend_max_sleep_between_retries_ms',
    old: 'CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS',
    about: 'Milliseconds of the longest wait.',
  },
  redisHost: {
    kind: 'string',
    default: null,
    old: 'CELERY_REDIS_HOST',
    about: 'Host of a Redis result store whose address names none.',
  },
  redisPort: {
    kind: 'integer',
    default: null,
    old: 'CELERY_REDIS_PORT',
    about: 'Its port.',
  },
  redisDb: {
    kind: 'integer',
    default: null,
    old: 'CELERY_REDIS_DB',
    about: 'Its database number.',
  },
  redisUsername: {
    kind: 'string',
    default: null,
    old: 'CELERY_REDIS_USERNAME',
    about: 'Its user.',
  },
  redisPassword: {
    kind: 'string',
    default: null,
    old: 'CELERY_REDIS_PASSWORD',
    secret: true,
    about: 'Its password.',
  },
  redisClientName: {
    kind: 'string',
    default: null,
    about: 'Name that the connections of the result store carry in CLIENT LIST.',
  },
  redisBackendUseSsl: {
    kind: 'any',
    default: null,
    type: 'boolean | Readonly<Record<string, unknown>> | null',
    old: 'CELERY_REDIS_BACKEND_USE_SSL',
    about: 'TLS to a Redis result store: true, or the options of node:tls.',
    check: (value) =>
      typeof value === 'boolean' || (typeof value === 'object' && !Array.isArray(value))
        ? undefined
        : 'must be true, false or a map of TLS options',
  },
  redisBackendHealthCheckInterval: {
    kind: 'seconds',
    default: null,
    about: 'Ping connections of the result store that were idle for this many seconds.',
  },
  redisSocketTimeout: {
    kind: 'seconds',
    default: 120,
    old: 'CELERY_REDIS_SOCKET_TIMEOUT',
    about: 'Seconds to wait for an answer of a Redis result store.',
  },
  redisSocketConnectTimeout: {
    kind: 'seconds',
    default: null,
    old: 'CELERY_REDIS_SOCKET_CONNECT_TIMEOUT',
    about: 'Seconds to wait for a connection to it; null: brokerConnectionTimeout.',
  },
  redisSocketKeepalive: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_REDIS_SOCKET_KEEPALIVE',
    about: 'TCP keep-alive on those connections.',
  },
  databaseTableNames: {
    kind: 'map',
    default: null,
    old: 'CELERY_RESULT_DB_TABLENAMES',
    about: 'Table names of a SQL result store, by the keys task and group.',
  },
  databaseTableSchemas: {
    kind: 'map',
    default: null,
    old: 'DATABASE_TABLE_SCHEMAS',
    about: 'Schemas of those tables.',
  },
  databaseCreateTablesAtSetup: {
    kind: 'boolean',
    default: true,
    old: 'DATABASE_CREATE_TABLES_AT_SETUP',
    about: 'Create those tables at start; false: on first use.',
  },
  cacheBackendOptions: {
    kind: 'map',
    default: {},
    old: 'CELERY_CACHE_BACKEND_OPTIONS',
    about: 'Options of the memcached client.',
  },
};
