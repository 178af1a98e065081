// Every setting with its type. Made from the settings table by scripts/settings.ts: change the table, then run the script.
import type { SigningKey } from '../../security/index.ts';
import type { Annotations, BeatEntry, MissingQueue, PublishRetryPolicy, QueueList, Routes } from './shapes.ts';

/** All settings, as they are after conversion and with every default filled in. */
export interface Settings {
  /**
   * Serializers (names or MIME types) whose task messages may be decoded; all others go to the dead letters.
   * @default ['json']
   */
  readonly acceptContent: readonly string[];
  /**
   * The same for results; null: as acceptContent.
   * @default null
   */
  readonly resultAcceptContent: readonly string[] | null;
  /**
   * How JSON bodies carry dates, bytes, decimals and UUIDs: 'tagged' as Celery 5.3 and later write them, 'plain' as texts for older peers.
   * @default 'tagged'
   */
  readonly jsonTypes: 'tagged' | 'plain';
  /**
   * Largest body, in bytes before compression: a larger one is not sent, and goes to the dead letters where it comes.
   * @default 134217728
   */
  readonly maxBodyBytes: number;
  /**
   * Check the number of arguments when a task is called; a task may decide otherwise with its option typing.
   * @default true
   */
  readonly strictTyping: boolean;
  /**
   * What messages of protocol 1 say of their times: UTC; false: the local time of who reads them. Those of protocol 2 carry an offset.
   * @default true
   */
  readonly enableUtc: boolean;
  /**
   * IANA name of the time zone of schedules, and of times that messages of protocol 1 say are local; null: UTC, or the zone of the machine when enableUtc is off.
   * @default null
   */
  readonly timezone: string | null;
  /**
   * Modules (paths or package names) that workers and beat load at start, in this order.
   * @default []
   */
  readonly imports: readonly string[];
  /**
   * More modules, loaded after imports.
   * @default []
   */
  readonly include: readonly string[];
  /**
   * What a confirmed write to the embedded database survives: 'process' any process death, 'power' a power cut too.
   * @default 'process'
   */
  readonly durability: 'process' | 'power';
  /**
   * What beat sends and when: a map of entry name to { task, schedule, args, kwargs, options, … } (docs/guide-beat.md). An entry that is wrong is named in the log of beat, which goes on with the others.
   * @default {}
   */
  readonly beatSchedule: Readonly<Record<string, BeatEntry>>;
  /**
   * Where beat keeps what it remembers: 'file', or a URL of the kind memory://, sqlite://, redis:// or db+…; null: in the database of the broker, or of the results, or in a file where there is none.
   * @default null
   */
  readonly beatScheduler: string | null;
  /**
   * File of the store 'file', which is an SQLite database.
   * @default 'lovage-schedule'
   */
  readonly beatScheduleFilename: string;
  /**
   * Longest time between two looks at the schedule, in seconds; 0, or more than 1: every second, in which the lease is renewed too.
   * @default 0
   */
  readonly beatMaxLoopInterval: number;
  /**
   * Save the schedule after this many sent tasks. No effect here: what beat remembers is stored with each run.
   * @default 0
   */
  readonly beatSyncEvery: number;
  /**
   * Skip a crontab run that is late by more than this many seconds; null: as beatMisfireMaxAge says.
   * @default null
   */
  readonly beatCronStartingDeadline: number | null;
  /**
   * Which of the runs that no beat was there for are made up for: none ('skip'), the latest of each entry, or 'all'.
   * @default 'latest'
   */
  readonly beatMisfirePolicy: 'skip' | 'latest' | 'all';
  /**
   * A run that is late by less is no missed one, in seconds: another beat may just have taken over.
   * @default 30
   */
  readonly beatMisfireGrace: number;
  /**
   * A run that is late by more than this many seconds is dropped, whatever the policy; null: without limit.
   * @default null
   */
  readonly beatMisfireMaxAge: number | null;
  /**
   * Seconds without a sign of life after which another beat takes the place of the one that leads.
   * @default 5
   */
  readonly beatLease: number;
  /**
   * File (PEM) of the certificate that belongs to securityKey: who signs here, for the serializer 'auth' (docs/security.md).
   * @default null
   */
  readonly securityCertificate: string | null;
  /**
   * Folder or glob of the certificates (PEM) whose signatures are trusted.
   * @default null
   */
  readonly securityCertStore: string | null;
  /**
   * File, folder or glob of the authorities that must have issued every certificate of securityCertStore; null: what is in the store is trusted.
   * @default null
   */
  readonly securityCertAuthorities: string | null;
  /**
   * File (PEM) of the private RSA key that signs messages.
   * @default null
   */
  readonly securityKey: string | null;
  /**
   * Password of securityKey.
   * @default null
   */
  readonly securityKeyPassword: string | Uint8Array | null;
  /**
   * Hash of the signatures: sha256, sha384, sha512, sha3_256 … The same on both sides.
   * @default 'sha256'
   */
  readonly securityDigest: string;
  /**
   * What the serializer 'auth' signs is written by this one (the parameter serializer of Celery's setup_security).
   * @default 'json'
   */
  readonly securitySerializer: string;
  /**
   * Serializers (names or MIME types) that may be inside signed messages.
   * @default ['json']
   */
  readonly securityAcceptContent: readonly string[];
  /**
   * Write signed messages as Celery before 5.5 does. Both layouts are always read.
   * @default false
   */
  readonly securityOldLayout: boolean;
  /**
   * Keys of the signatures in the header x-lovage-signature, by key id: a secret of 32 bytes or more, an Ed25519 key in PEM, or { file } with one of these.
   * @default {}
   */
  readonly signingKeys: Readonly<Record<string, SigningKey>>;
  /**
   * Id of the key in signingKeys that signs every task message sent here; null: none are signed.
   * @default null
   */
  readonly signingKey: string | null;
  /**
   * Queues (names, with '*' for any text), or true for all, whose messages must be signed by one of signingKeys; others go to the dead letters.
   * @default false
   */
  readonly signingRequired: boolean | readonly string[];
  /**
   * Seconds for which a signature is good, from when it was made or from the eta. Starts are remembered that long, so that a message that comes again is known.
   * @default 86400
   */
  readonly signingWindow: number;
  /**
   * Address of the broker, or several for fail-over (RabbitMQ servers, or Sentinels of one Redis); 'sqlite://' is the embedded database file of the project, 'memory://' lives in this process.
   * @default 'sqlite://'
   */
  readonly brokerUrl: string | readonly string[];
  /**
   * Address that workers consume from; null: brokerUrl.
   * @default null
   */
  readonly brokerReadUrl: string | readonly string[] | null;
  /**
   * Address that messages are published to; null: brokerUrl.
   * @default null
   */
  readonly brokerWriteUrl: string | readonly string[] | null;
  /**
   * Options of the broker driver (visibilityTimeout, priority steps, global key prefix …), as Celery or as camelCase. A name that the driver does not know is refused; names of Celery’s own connections (max_retries, socket_keepalive, confirm_publish …) are accepted without an effect.
   * @default {}
   */
  readonly brokerTransportOptions: Readonly<Record<string, unknown>>;
  /**
   * Seconds to wait for a connection. A Redis that takes connections and says nothing gets twice as long at each further attempt, up to the silence that is borne of it later.
   * @default 4
   */
  readonly brokerConnectionTimeout: number;
  /**
   * A worker connects again after it lost its broker; false: it ends with exit code 1.
   * @default true
   */
  readonly brokerConnectionRetry: boolean;
  /**
   * A worker also repeats its very first connection; null: as brokerConnectionRetry.
   * @default null
   */
  readonly brokerConnectionRetryOnStartup: boolean | null;
  /**
   * Connections a worker tries before it gives up; null: without end.
   * @default 100
   */
  readonly brokerConnectionMaxRetries: number | null;
  /**
   * Order in which several broker addresses are tried: 'round-robin', 'shuffle', or a function of the list.
   * @default 'round-robin'
   */
  readonly brokerFailoverStrategy: 'round-robin' | 'shuffle' | ((urls: readonly string[]) => Iterable<string>);
  /**
   * Seconds of silence after which a connection to the broker is asked for a sign of life; a dead one is noticed within two of them, sooner when a new connection is answered meanwhile, and with it all others to the same server. Leases are three.
   * @default 10
   */
  readonly brokerHeartbeat: number;
  /**
   * SASL mechanism of RabbitMQ; null: PLAIN.
   * @default null
   */
  readonly brokerLoginMethod: string | null;
  /**
   * Type of the queues that hold delayed messages on RabbitMQ.
   * @default 'quorum'
   */
  readonly brokerNativeDelayedDeliveryQueueType: 'quorum' | 'classic';
  /**
   * TLS to the broker: true, or the options of node:tls; an address with a TLS scheme needs neither.
   * @default false
   */
  readonly brokerUseSsl: boolean | Readonly<Record<string, unknown>>;
  /**
   * How a worker keeps what it holds on Redis: 'lovage' in lists with a lease, or 'celery' in Celery's unacked entries, so that Python peers can give it back.
   * @default 'lovage'
   */
  readonly redisInFlight: 'lovage' | 'celery';
  /**
   * Deliveries after which a message that never finished goes to the dead letters.
   * @default 5
   */
  readonly maxDeliveries: number;
  /**
   * What happens to messages that cannot be worked on: 'lovage' keeps them in lovage.dead.<queue>, 'broker' rejects them, 'off' drops them with a log line.
   * @default 'lovage'
   */
  readonly deadLetters: 'lovage' | 'broker' | 'off';
  /**
   * Seconds that a dead letter is kept.
   * @default 1209600
   */
  readonly deadLettersTtl: number;
  /**
   * Most dead letters kept of one queue; the oldest go first.
   * @default 100000
   */
  readonly deadLettersMaxLength: number;
  /**
   * Name space of remote control; its exchange is <value>.pidbox.
   * @default 'celery'
   */
  readonly controlExchange: string;
  /**
   * Control commands that workers obey: 'all', 'inspect' (questions only), or a list of names, questions among them. Others are answered with an error.
   * @default 'all'
   */
  readonly remoteControl: 'all' | 'inspect' | readonly string[];
  /**
   * Seconds that a control message waits in its queue.
   * @default 300
   */
  readonly controlQueueTtl: number;
  /**
   * Seconds after which an unused control queue is deleted.
   * @default 10
   */
  readonly controlQueueExpires: number;
  /**
   * Control queues belong to one connection.
   * @default true
   */
  readonly controlQueueExclusive: boolean;
  /**
   * Control queues survive a restart of the broker; not together with controlQueueExclusive.
   * @default false
   */
  readonly controlQueueDurable: boolean;
  /**
   * Name of the exchange of events.
   * @default 'celeryev'
   */
  readonly eventExchange: string;
  /**
   * Beginning of the names of monitor queues.
   * @default 'celeryev'
   */
  readonly eventQueuePrefix: string;
  /**
   * Seconds that an event waits in a monitor queue.
   * @default 5
   */
  readonly eventQueueTtl: number;
  /**
   * Seconds after which an unused monitor queue is deleted.
   * @default 60
   */
  readonly eventQueueExpires: number;
  /**
   * Monitor queues belong to one connection.
   * @default true
   */
  readonly eventQueueExclusive: boolean;
  /**
   * Monitor queues survive a restart of the broker; not together with eventQueueExclusive.
   * @default false
   */
  readonly eventQueueDurable: boolean;
  /**
   * Serializer of events.
   * @default 'json'
   */
  readonly eventSerializer: string;
  /**
   * Hours west of UTC that events name; null: those of this machine. Python monitors in another zone shift times by the difference to their own, so 0 helps where all of them run in UTC.
   * @default null
   */
  readonly eventUtcOffset: number | null;
  /**
   * Acknowledge a message after its task has ended, so that a dead worker loses nothing; false: before it starts.
   * @default true
   */
  readonly taskAcksLate: boolean;
  /**
   * With late acknowledgement, what the next two settings are when they are null.
   * @default true
   */
  readonly taskAcksOnFailureOrTimeout: boolean;
  /**
   * With late acknowledgement, acknowledge failed tasks too; false: reject them without requeueing.
   * @default null
   */
  readonly taskAcksOnFailure: boolean | null;
  /**
   * With late acknowledgement, acknowledge tasks that hit their hard time limit; false: requeue them.
   * @default null
   */
  readonly taskAcksOnTimeout: boolean | null;
  /**
   * With late acknowledgement, requeue a task whose process died under it; false: it fails with WorkerLostError.
   * @default true
   */
  readonly taskRejectOnWorkerLost: boolean;
  /**
   * Run tasks in the calling process instead of sending them.
   * @default false
   */
  readonly taskAlwaysEager: boolean;
  /**
   * The call of an eager task throws what the task throws.
   * @default false
   */
  readonly taskEagerPropagates: boolean;
  /**
   * Results of eager tasks are stored too.
   * @default false
   */
  readonly taskStoreEagerResult: boolean;
  /**
   * Options laid over those that tasks declare: a map of task name, or '*' for all, to options; the name beats '*'.
   * @default null
   */
  readonly taskAnnotations: Annotations | null;
  /**
   * Serializer of task messages.
   * @default 'json'
   */
  readonly taskSerializer: string;
  /**
   * Compression of task messages; null: none.
   * @default null
   */
  readonly taskCompression: string | null;
  /**
   * Version of the message format that is sent; both are read.
   * @default 2
   */
  readonly taskProtocol: 1 | 2;
  /**
   * A queue that taskQueues does not name is created; false: naming it is a QueueNotFoundError.
   * @default true
   */
  readonly taskCreateMissingQueues: boolean;
  /**
   * A function that is given the name of a queue that is created so, and answers with its options (Celery’s app.amqp.autoexchange).
   * @default null
   */
  readonly taskMissingQueue: MissingQueue | null;
  /**
   * Type, on RabbitMQ, of the queues that are created because taskQueues does not name them.
   * @default 'classic'
   */
  readonly taskCreateMissingQueueType: 'classic' | 'quorum';
  /**
   * Type of their exchange; null: direct.
   * @default null
   */
  readonly taskCreateMissingQueueExchangeType: 'direct' | 'topic' | 'fanout' | null;
  /**
   * Queue of tasks that nothing routes elsewhere.
   * @default 'celery'
   */
  readonly taskDefaultQueue: string;
  /**
   * Type of the default queue on RabbitMQ.
   * @default 'classic'
   */
  readonly taskDefaultQueueType: 'classic' | 'quorum';
  /**
   * Exchange of queues that name none; null: the name of the default queue.
   * @default null
   */
  readonly taskDefaultExchange: string | null;
  /**
   * Type of that exchange.
   * @default 'direct'
   */
  readonly taskDefaultExchangeType: 'direct' | 'topic' | 'fanout';
  /**
   * Routing key of queues that name none; null: the name of the default queue.
   * @default null
   */
  readonly taskDefaultRoutingKey: string | null;
  /**
   * 2 or persistent: messages survive a restart of the broker; 1 or transient: they do not.
   * @default 2
   */
  readonly taskDefaultDeliveryMode: 1 | 2 | 'transient' | 'persistent';
  /**
   * Priority of tasks that have none, as the broker understands it, or 'high', 'normal', 'low'.
   * @default null
   */
  readonly taskDefaultPriority: number | 'high' | 'normal' | 'low' | null;
  /**
   * A task sent by a running task gets its priority.
   * @default false
   */
  readonly taskInheritParentPriority: boolean;
  /**
   * Rate limit, per worker, of tasks that have none: 10 or '10/s', '100/m', '5/h'.
   * @default null
   */
  readonly taskDefaultRateLimit: number | string | null;
  /**
   * Do not store what tasks return.
   * @default false
   */
  readonly taskIgnoreResult: boolean;
  /**
   * Store failures of tasks whose results are ignored.
   * @default false
   */
  readonly taskStoreErrorsEvenIfIgnored: boolean;
  /**
   * Store the state STARTED when a task starts.
   * @default false
   */
  readonly taskTrackStarted: boolean;
  /**
   * Seconds after which a task is ended.
   * @default null
   */
  readonly taskTimeLimit: number | null;
  /**
   * Seconds after which a task is asked to end: its signal aborts with SoftTimeLimitExceededError.
   * @default null
   */
  readonly taskSoftTimeLimit: number | null;
  /**
   * Seconds within which a publish is confirmed or rejects with PublishError, repeats included.
   * @default 10
   */
  readonly taskPublishTimeout: number;
  /**
   * Repeat a publish that surely was not stored. On RabbitMQ, what a lost connection left without a confirm is always written again on the next one, under the same id, until taskPublishTimeout.
   * @default true
   */
  readonly taskPublishRetry: boolean;
  /**
   * How often and after how many seconds: maxRetries, intervalStart, intervalStep, intervalMax; what is left out keeps its default.
   * @default { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 }
   */
  readonly taskPublishRetryPolicy: PublishRetryPolicy;
  /**
   * Queues and how they are bound: a map of queue name to options (exchange, exchangeType, routingKey, bindings, durable, exclusive, autoDelete, type, maxPriority, maxLength, maxLengthBytes, messageTtl, expires, arguments, consumerArguments, deliveryMode, noDeclare, passive, exchangePassive, broadcast; Celery’s names too), or a list of queues; null: only the default queue.
   * @default null
   */
  readonly taskQueues: QueueList | null;
  /**
   * Highest priority of every queue on RabbitMQ (x-max-priority).
   * @default null
   */
  readonly taskQueueMaxPriority: number | null;
  /**
   * Which task goes where: a map of task name, glob with '*' or RegExp to a route, a list of routers, or a function.
   * @default null
   */
  readonly taskRoutes: Routes | null;
  /**
   * Publish the event task-sent with every task.
   * @default false
   */
  readonly taskSendSentEvent: boolean;
  /**
   * The linkError of a chord is linked to each task of its header too.
   * @default false
   */
  readonly taskAllowErrorCbOnChordHeader: boolean;
  /**
   * Address of the result store; null: the database of the broker (on RabbitMQ 'rpc://'); 'disabled://': results are not kept.
   * @default null
   */
  readonly resultBackend: string | null;
  /**
   * Options of the result store (global key prefix, Sentinel …). A name that the store does not know is refused; retry_policy and other names of Celery’s own connections are accepted without an effect.
   * @default {}
   */
  readonly resultBackendTransportOptions: Readonly<Record<string, unknown>>;
  /**
   * Seconds until a result may be deleted; null or 0: never.
   * @default 86400
   */
  readonly resultExpires: number | null;
  /**
   * Most results kept, where the store is embedded or in memory; the oldest go first, whether they were read or not. null: no limit.
   * @default null
   */
  readonly resultMaxCount: number | null;
  /**
   * Most bytes of results kept, where the store is embedded or in memory; the oldest go first, the newest always stays. null: no limit.
   * @default null
   */
  readonly resultMaxBytes: number | null;
  /**
   * Store the name, arguments, worker, retries and queue of the task beside its result.
   * @default false
   */
  readonly resultExtended: boolean;
  /**
   * Serializer of results.
   * @default 'json'
   */
  readonly resultSerializer: string;
  /**
   * Result messages of 'rpc://' survive a restart of the broker; null: no.
   * @default null
   */
  readonly resultPersistent: boolean | null;
  /**
   * Results of tasks that succeeded, kept in this process once they were read; -1: none, 0 or null: without limit.
   * @default -1
   */
  readonly resultCacheMax: number | null;
  /**
   * Seconds between two looks at a chord on a store that cannot join.
   * @default 1
   */
  readonly resultChordRetryInterval: number;
  /**
   * Seconds to wait for the results of a chord that is complete. No effect here: a chord is complete when all its results are there, so nothing is waited for.
   * @default 3
   */
  readonly resultChordJoinTimeout: number;
  /**
   * Repeat a call to a Redis result store that is away, for up to 20 seconds; false: it fails at the first try. A worker stores its results, and a wait for a result goes on, whatever this says.
   * @default true
   */
  readonly resultBackendAlwaysRetry: boolean;
  /**
   * How often such a call is repeated within that time.
   * @default Infinity
   */
  readonly resultBackendMaxRetries: number;
  /**
   * Milliseconds of the back-off between repeats: before repeat n a random time of up to this times 2 to the power of n.
   * @default 10
   */
  readonly resultBackendBaseSleepBetweenRetriesMs: number;
  /**
   * Milliseconds of the longest such wait.
   * @default 10000
   */
  readonly resultBackendMaxSleepBetweenRetriesMs: number;
  /**
   * Host of a Redis result store whose address names none.
   * @default null
   */
  readonly redisHost: string | null;
  /**
   * Its port.
   * @default null
   */
  readonly redisPort: number | null;
  /**
   * Its database number.
   * @default null
   */
  readonly redisDb: number | null;
  /**
   * Its user.
   * @default null
   */
  readonly redisUsername: string | null;
  /**
   * Its password.
   * @default null
   */
  readonly redisPassword: string | null;
  /**
   * Name that the connections of the result store carry in CLIENT LIST; null: <app>-results.
   * @default null
   */
  readonly redisClientName: string | null;
  /**
   * TLS to a Redis result store: true, or the options of node:tls.
   * @default null
   */
  readonly redisBackendUseSsl: boolean | Readonly<Record<string, unknown>> | null;
  /**
   * Ping a connection of the Redis result store that was idle for this many seconds, and open it anew when no answer comes; null: only while somebody waits for a result.
   * @default null
   */
  readonly redisBackendHealthCheckInterval: number | null;
  /**
   * Seconds without a byte from a Redis result store that owes an answer, after which its connection counts as dead and is opened anew; from 8 on sooner, when a new connection is answered meanwhile. Set it well above what your server takes for its slowest answer.
   * @default 10
   */
  readonly redisSocketTimeout: number;
  /**
   * Seconds to wait for a connection to it; null: brokerConnectionTimeout.
   * @default null
   */
  readonly redisSocketConnectTimeout: number | null;
  /**
   * TCP keep-alive on those connections.
   * @default true
   */
  readonly redisSocketKeepalive: boolean;
  /**
   * Table names of a SQL result store, by the keys task and group; of its own tables also revokes, chords and chordParts.
   * @default null
   */
  readonly databaseTableNames: Readonly<Record<string, unknown>> | null;
  /**
   * Schemas of those tables.
   * @default null
   */
  readonly databaseTableSchemas: Readonly<Record<string, unknown>> | null;
  /**
   * Create those tables at start; false: on first use.
   * @default true
   */
  readonly databaseCreateTablesAtSetup: boolean;
  /**
   * Options of the result store in memcached: socket_timeout, in seconds.
   * @default {}
   */
  readonly cacheBackendOptions: Readonly<Record<string, unknown>>;
  /**
   * Where tasks run: 'async' many on one event loop, 'solo' one after the other, 'prefork' in processes, 'threads' in threads, or the path of a module that brings a pool.
   * @default 'async'
   */
  readonly workerPool: string;
  /**
   * Tasks that run at once; null: 10 for each core with async, 1 with solo, else the number of cores.
   * @default null
   */
  readonly workerConcurrency: number | null;
  /**
   * Messages held for each slot of the pool, those that run included, and one more while tasks take milliseconds; 0: no limit.
   * @default 1
   */
  readonly workerPrefetchMultiplier: number;
  /**
   * Take a message only when a slot is free for it, however quick the tasks are.
   * @default false
   */
  readonly workerDisablePrefetch: boolean;
  /**
   * Most messages held in memory because they are due soon.
   * @default null
   */
  readonly workerEtaTaskLimit: number | null;
  /**
   * After a reconnect, take messages only for slots that are free of the tasks from before it; false: for every slot.
   * @default true
   */
  readonly workerEnablePrefetchCountReduction: boolean;
  /**
   * Look whether there are quorum queues, and choose the kind of prefetch by it. No effect here: each queue of RabbitMQ gets the kind of prefetch that it allows.
   * @default true
   */
  readonly workerDetectQuorumQueues: boolean;
  /**
   * Replace a slot of prefork or threads after this many tasks; with no pool chosen, this chooses prefork, and other pools refuse it.
   * @default null
   */
  readonly workerMaxTasksPerChild: number | null;
  /**
   * Replace a slot that uses more than this many KiB, after its task: memory of the process with prefork, heap of the thread with threads; with no pool chosen, this chooses prefork, and other pools refuse it.
   * @default null
   */
  readonly workerMaxMemoryPerChild: number | null;
  /**
   * Seconds that a new process or thread of the pool may take to load the app and to hear workerProcessInit.
   * @default 30
   */
  readonly workerProcAliveTimeout: number;
  /**
   * Seconds to wait for the result of a process that is gone. No effect here: what a process wrote before its end is read before it counts as gone.
   * @default 10
   */
  readonly workerLostWait: number;
  /**
   * Tasks at once in each process of prefork or thread of threads; a task that takes its slot down takes its neighbours along.
   * @default 1
   */
  readonly workerSlotConcurrency: number;
  /**
   * Processes of prefork or threads of threads that stand by, so that none is missed while another is replaced.
   * @default 0
   */
  readonly workerSpareSlots: number;
  /**
   * File that exports the app for the processes of prefork and threads of threads, where it is another than that of the worker: of an app that is bundled. Relative to the folder that -A is looked for from.
   * @default null
   */
  readonly workerSlotEntry: string | null;
  /**
   * Open Node's debugger in each process of prefork, on the loopback: the first on this port, the second on the next, and so on. Whoever connects can run any code there.
   * @default null
   */
  readonly workerSlotInspectPort: number | null;
  /**
   * Allow the control command pool_restart.
   * @default false
   */
  readonly workerPoolRestarts: boolean;
  /**
   * Folder into which the control command heap_snapshot writes; null: that command is refused, since a snapshot holds whatever is in memory.
   * @default null
   */
  readonly workerHeapSnapshotDir: string | null;
  /**
   * Each worker also has a queue of its own, <node>.dq2.
   * @default false
   */
  readonly workerDirect: boolean;
  /**
   * Ignore all rate limits.
   * @default false
   */
  readonly workerDisableRateLimits: boolean;
  /**
   * A redelivered message whose task already succeeded is acknowledged without running again; false: it runs again, and the stored result stays.
   * @default true
   */
  readonly workerDeduplicateSuccessfulTasks: boolean;
  /**
   * Abort running tasks with late acknowledgement when the broker connection is lost (on Redis: the lease, which outlives a short loss of the connection); they run again when their messages come back, on whichever worker gets them.
   * @default false
   */
  readonly workerCancelLongRunningTasksOnConnectionLoss: boolean;
  /**
   * Listen to control commands; false: none, nobody is asked for what was revoked at the start (mingle), and two workers may have one name.
   * @default true
   */
  readonly workerEnableRemoteControl: boolean;
  /**
   * Publish events about each task.
   * @default false
   */
  readonly workerSendTaskEvents: boolean;
  /**
   * File in which a worker keeps what was revoked, and its logical clock, over a restart; %n, %h, %d and %p stand for parts of its name. Needed only where the result store keeps no revokes (docs/backends.md).
   * @default null
   */
  readonly workerStateDb: string | null;
  /**
   * Most revoked ids, and most revoked stamps, that are kept; the oldest go first.
   * @default 50000
   */
  readonly workerRevokesMax: number;
  /**
   * Seconds that a revoke counts, in the worker and in the result store; on RabbitMQ a task that is due later runs all the same. In Celery three hours (the environment variable CELERY_WORKER_REVOKE_EXPIRES).
   * @default 2592000
   */
  readonly workerRevokeExpires: number;
  /**
   * Seconds that running tasks still get before a cold shutdown; 0: none.
   * @default 0
   */
  readonly workerSoftShutdownTimeout: number;
  /**
   * workerSoftShutdownTimeout counts for a worker with no running task too. No effect here: what an idle worker holds is given back at once, so there is nothing to wait for.
   * @default false
   */
  readonly workerEnableSoftShutdownOnIdle: boolean;
  /**
   * Seconds that a warm shutdown waits for running tasks before they are aborted and given back; the process ends within nine seconds more. null: without limit.
   * @default 20
   */
  readonly shutdownTimeout: number | null;
  /**
   * Tasks that run on past their hard limit or an abort before the worker finishes what else runs and ends with exit code 1; null: any number.
   * @default 10
   */
  readonly maxZombies: number | null;
  /**
   * Times in a row that messages of one task (three at least) end their process or thread before the task is in quarantine: one at a time is tried, ever more rarely, and the others wait in the broker until one comes to an end; null: never.
   * @default 5
   */
  readonly quarantineAfter: number | null;
  /**
   * Seconds that the event loop may stand still before the leases of a worker are given up and its process ended.
   * @default 600
   */
  readonly maxLoopBlock: number;
  /**
   * Seconds that the event loop of a worker may stand still before a warning says for how long it did, and which tasks ran then. After ten times as long a line on standard error says so meanwhile. null: neither.
   * @default 1
   */
  readonly loopBlockWarning: number | null;
  /**
   * Port on which a worker answers /livez, /readyz and /metrics over HTTP; 0: any; null: none.
   * @default null
   */
  readonly healthPort: number | null;
  /**
   * Address of that port: loopback, or 0.0.0.0 where probes come from outside of the container.
   * @default '127.0.0.1'
   */
  readonly healthHost: string;
  /**
   * File that a worker touches every 5 seconds as long as it is alive; %n, %h, %d and %p stand for parts of the node's name.
   * @default null
   */
  readonly heartbeatFile: string | null;
  /**
   * What happens to a message whose task is not registered: 'deadLetter', 'reject', or 'requeue' for a worker that knows it.
   * @default 'deadLetter'
   */
  readonly unknownTask: 'deadLetter' | 'reject' | 'requeue';
  /**
   * The worker command sets up logging once it has loaded the application; false: what the application set up (LogTape's configure with reset: true) stays.
   * @default true
   */
  readonly workerHijackRootLogger: boolean;
  /**
   * Colours in log lines; null: on a terminal.
   * @default null
   */
  readonly workerLogColor: boolean | null;
  /**
   * Form of log lines, with Python's names such as %(asctime)s.
   * @default '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s'
   */
  readonly workerLogFormat: string;
  /**
   * Form of log lines written by tasks.
   * @default '[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s'
   */
  readonly workerTaskLogFormat: string;
  /**
   * What tasks write to the console becomes log lines.
   * @default false
   */
  readonly workerRedirectStdouts: boolean;
  /**
   * Level of those lines.
   * @default 'WARNING'
   */
  readonly workerRedirectStdoutsLevel: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';
  /**
   * Longest sleep of the timer of due tasks, in seconds. No effect here: due tasks have a timer that is exact to the millisecond.
   * @default 1
   */
  readonly workerTimerPrecision: number;
  /**
   * File that `lovage worker` writes its log to; %n, %h, %d and %p stand for parts of the node's name. It is opened anew when it was rotated away.
   * @default null
   */
  readonly workerLogfile: string | null;
  /**
   * File that holds the process id of `lovage worker`.
   * @default null
   */
  readonly workerPidfile: string | null;
  /**
   * User, by name or number, that `lovage worker` changes to.
   * @default null
   */
  readonly workerUid: string | null;
  /**
   * Group, by name or number, that `lovage worker` changes to.
   * @default null
   */
  readonly workerGid: string | null;
  /**
   * File mode mask of `lovage worker`, in octal.
   * @default null
   */
  readonly workerUmask: string | null;
  /**
   * File that `lovage beat` writes its log to.
   * @default null
   */
  readonly beatLogfile: string | null;
  /**
   * File that holds the process id of `lovage beat`.
   * @default null
   */
  readonly beatPidfile: string | null;
  /**
   * User, by name or number, that `lovage beat` changes to.
   * @default null
   */
  readonly beatUid: string | null;
  /**
   * Group, by name or number, that `lovage beat` changes to.
   * @default null
   */
  readonly beatGid: string | null;
  /**
   * File mode mask of `lovage beat`, in octal.
   * @default null
   */
  readonly beatUmask: string | null;
  /**
   * File that `lovage events` writes its log to.
   * @default null
   */
  readonly eventsLogfile: string | null;
  /**
   * File that holds the process id of `lovage events`.
   * @default null
   */
  readonly eventsPidfile: string | null;
  /**
   * User, by name or number, that `lovage events` changes to.
   * @default null
   */
  readonly eventsUid: string | null;
  /**
   * Group, by name or number, that `lovage events` changes to.
   * @default null
   */
  readonly eventsGid: string | null;
  /**
   * File mode mask of `lovage events`, in octal.
   * @default null
   */
  readonly eventsUmask: string | null;
}
