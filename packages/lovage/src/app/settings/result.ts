// Settings of the result store.

import { checkSerializer } from './checks.ts';
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
  resultMaxCount: {
    kind: 'integer',
    default: null,
    nullable: true,
    min: 1,
    about:
      'Most results kept, where the store is embedded or in memory; the oldest go first, whether they were read or not. null: no limit.',
  },
  resultMaxBytes: {
    kind: 'integer',
    default: null,
    nullable: true,
    min: 1,
    about:
      'Most bytes of results kept, where the store is embedded or in memory; the oldest go first, the newest always stays. null: no limit.',
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
    check: checkSerializer,
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
    nullable: true,
    old: 'CELERY_MAX_CACHED_RESULTS',
    about: 'Results of tasks that succeeded, kept in this process once they were read; -1: none, 0 or null: without limit.',
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
    ignored: 'a chord is complete when all its results are there, so nothing is waited for',
  },
  resultBackendAlwaysRetry: {
    kind: 'boolean',
    default: true,
    old: 'CELERY_RESULT_BACKEND_ALWAYS_RETRY',
    about:
      'Repeat a call to a Redis result store that is away, for up to 20 seconds; false: it fails at the first try. A worker stores its results, and a wait for a result goes on, whatever this says.',
  },
  resultBackendMaxRetries: {
    kind: 'number',
    default: Number.POSITIVE_INFINITY,
    min: 0,
    old: 'CELERY_RESULT_BACKEND_MAX_RETRIES',
    about: 'How often such a call is repeated within that time.',
  },
  resultBackendBaseSleepBetweenRetriesMs: {
    kind: 'integer',
    default: 10,
    celery: 'result_backend_base_sleep_between_retries_ms',
    old: 'CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS',
    about: 'Milliseconds of the back-off between repeats: before repeat n a random time of up to this times 2 to the power of n.',
  },
  resultBackendMaxSleepBetweenRetriesMs: {
    kind: 'integer',
    default: 10_000,
    celery: 'result_backend_max_sleep_between_retries_ms',
    old: 'CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS',
    about: 'Milliseconds of the longest such wait.',
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
    about: 'Name that the connections of the result store carry in CLIENT LIST; null: <app>-results.',
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
    min: 1,
    about:
      'Ping a connection of the Redis result store that was idle for this many seconds, and open it anew when no answer comes; null: only while somebody waits for a result.',
  },
  redisSocketTimeout: {
    kind: 'seconds',
    default: 10,
    min: 1,
    old: 'CELERY_REDIS_SOCKET_TIMEOUT',
    about:
      'Seconds without a byte from a Redis result store that owes an answer, after which its connection counts as dead and is opened anew; from 8 on sooner, when a new connection is answered meanwhile. Set it well above what your server takes for its slowest answer.',
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
    about:
      'Table names of a SQL result store, by the keys task and group; of its own tables also revokes, chords and chordParts.',
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
    about: 'Options of the result store in memcached: socket_timeout, in seconds.',
  },
};
