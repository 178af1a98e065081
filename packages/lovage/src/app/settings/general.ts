// Settings of the application as a whole: content, time, modules, security, the schedule of beat.
import { checkSigningKeys } from '../../security/index.ts';
import { checkAccepted, checkSigningRequired } from './checks.ts';
import type { SettingRows } from './row.ts';

export const generalSettings: SettingRows = {
  acceptContent: {
    kind: 'strings',
    default: ['json'],
    old: 'CELERY_ACCEPT_CONTENT',
    check: checkAccepted,
    about: 'Serializers (names or MIME types) whose task messages may be decoded; all others go to the dead letters.',
  },
  resultAcceptContent: {
    kind: 'strings',
    default: null,
    old: 'RESULT_ACCEPT_CONTENT',
    check: checkAccepted,
    about: 'The same for results; null: as acceptContent.',
  },
  jsonTypes: {
    kind: 'choice',
    choices: ['tagged', 'plain'],
    default: 'tagged',
    celery: null,
    about:
      "How JSON bodies carry dates, bytes, decimals and UUIDs: 'tagged' as Celery 5.3 and later write them, 'plain' as texts for older peers.",
  },
  maxBodyBytes: {
    kind: 'integer',
    default: 134_217_728,
    min: 1,
    celery: null,
    about: 'Largest body, in bytes before compression: a larger one is not sent, and goes to the dead letters where it comes.',
  },
  strictTyping: {
    kind: 'boolean',
    default: true,
    celery: null,
    about: 'Check the number of arguments when a task is called; a task may decide otherwise with its option typing.',
  },
  enableUtc: {
    kind: 'boolean',
    default: true,
    old: 'ENABLE_UTC',
    about:
      'What messages of protocol 1 say of their times: UTC; false: the local time of who reads them. Those of protocol 2 carry an offset.',
  },
  timezone: {
    kind: 'string',
    default: null,
    old: 'CELERY_TIMEZONE',
    about:
      'IANA name of the time zone of schedules, and of times that messages of protocol 1 say are local; null: UTC, or the zone of the machine when enableUtc is off.',
  },
  imports: {
    kind: 'strings',
    default: [],
    old: 'CELERY_IMPORTS',
    about: 'Modules (paths or package names) that workers and beat load at start, in this order.',
  },
  include: {
    kind: 'strings',
    default: [],
    old: 'CELERY_INCLUDE',
    about: 'More modules, loaded after imports.',
  },
  durability: {
    kind: 'choice',
    choices: ['process', 'power'],
    default: 'process',
    celery: null,
    about: "What a confirmed write to the embedded database survives: 'process' any process death, 'power' a power cut too.",
  },
  beatSchedule: {
    kind: 'map',
    default: {},
    old: 'CELERYBEAT_SCHEDULE',
    type: 'Readonly<Record<string, BeatEntry>>',
    about:
      'What beat sends and when: a map of entry name to { task, schedule, args, kwargs, options, … } (docs/guide-beat.md). An entry that is wrong is named in the log of beat, which goes on with the others.',
  },
  beatScheduler: {
    kind: 'string',
    default: null,
    old: 'CELERYBEAT_SCHEDULER',
    about:
      "Where beat keeps what it remembers: 'file', or a URL of the kind memory://, sqlite://, redis:// or db+…; null: in the database of the broker, or of the results, or in a file where there is none.",
  },
  beatScheduleFilename: {
    kind: 'string',
    default: 'lovage-schedule',
    old: 'CELERYBEAT_SCHEDULE_FILENAME',
    about: "File of the store 'file', which is an SQLite database.",
  },
  beatMaxLoopInterval: {
    kind: 'seconds',
    default: 0,
    old: 'CELERYBEAT_MAX_LOOP_INTERVAL',
    about:
      'Longest time between two looks at the schedule, in seconds; 0, or more than 1: every second, in which the lease is renewed too.',
  },
  beatSyncEvery: {
    kind: 'integer',
    default: 0,
    old: 'CELERYBEAT_SYNC_EVERY',
    about: 'Save the schedule after this many sent tasks.',
    ignored: 'what beat remembers is stored with each run',
  },
  beatCronStartingDeadline: {
    kind: 'seconds',
    default: null,
    old: 'CELERYBEAT_CRON_STARTING_DEADLINE',
    about: 'Skip a crontab run that is late by more than this many seconds; null: as beatMisfireMaxAge says.',
  },
  beatMisfirePolicy: {
    kind: 'choice',
    choices: ['skip', 'latest', 'all'],
    default: 'latest',
    celery: null,
    about: "Which of the runs that no beat was there for are made up for: none ('skip'), the latest of each entry, or 'all'.",
  },
  beatMisfireGrace: {
    kind: 'seconds',
    default: 30,
    celery: null,
    about: 'A run that is late by less is no missed one, in seconds: another beat may just have taken over.',
  },
  beatMisfireMaxAge: {
    kind: 'seconds',
    default: null,
    celery: null,
    about: 'A run that is late by more than this many seconds is dropped, whatever the policy; null: without limit.',
  },
  beatLease: {
    kind: 'seconds',
    default: 5,
    min: 1,
    celery: null,
    about: 'Seconds without a sign of life after which another beat takes the place of the one that leads.',
  },
  securityCertificate: {
    kind: 'string',
    default: null,
    old: 'CELERY_SECURITY_CERTIFICATE',
    about:
      "File (PEM) of the certificate that belongs to securityKey: who signs here, for the serializer 'auth' (docs/security.md).",
  },
  securityCertStore: {
    kind: 'string',
    default: null,
    old: 'CELERY_SECURITY_CERT_STORE',
    about: 'Folder or glob of the certificates (PEM) whose signatures are trusted.',
  },
  securityCertAuthorities: {
    kind: 'string',
    default: null,
    celery: null,
    about:
      'File, folder or glob of the authorities that must have issued every certificate of securityCertStore; null: what is in the store is trusted.',
  },
  securityKey: {
    kind: 'string',
    default: null,
    old: 'CELERY_SECURITY_KEY',
    secret: true,
    about: 'File (PEM) of the private RSA key that signs messages.',
  },
  securityKeyPassword: {
    kind: 'any',
    default: null,
    type: 'string | Uint8Array | null',
    old: 'CELERY_SECURITY_KEY_PASSWORD',
    secret: true,
    check: (value) =>
      value === null || typeof value === 'string' || value instanceof Uint8Array ? undefined : 'must be a text or bytes',
    about: 'Password of securityKey.',
  },
  securityDigest: {
    kind: 'string',
    default: 'sha256',
    old: 'CELERY_SECURITY_DIGEST',
    about: 'Hash of the signatures: sha256, sha384, sha512, sha3_256 … The same on both sides.',
  },
  securitySerializer: {
    kind: 'string',
    default: 'json',
    celery: null,
    about: "What the serializer 'auth' signs is written by this one (the parameter serializer of Celery's setup_security).",
  },
  securityAcceptContent: {
    kind: 'strings',
    default: ['json'],
    celery: null,
    about: 'Serializers (names or MIME types) that may be inside signed messages.',
  },
  securityOldLayout: {
    kind: 'boolean',
    default: false,
    celery: null,
    about: 'Write signed messages as Celery before 5.5 does. Both layouts are always read.',
  },
  signingKeys: {
    kind: 'map',
    default: {},
    type: 'Readonly<Record<string, SigningKey>>',
    celery: null,
    secret: true,
    check: checkSigningKeys,
    about:
      'Keys of the signatures in the header x-lovage-signature, by key id: a secret of 32 bytes or more, an Ed25519 key in PEM, or { file } with one of these.',
  },
  signingKey: {
    kind: 'string',
    default: null,
    celery: null,
    about: 'Id of the key in signingKeys that signs every task message sent here; null: none are signed.',
  },
  signingRequired: {
    kind: 'any',
    default: false,
    type: 'boolean | readonly string[]',
    celery: null,
    check: checkSigningRequired,
    about:
      "Queues (names, with '*' for any text), or true for all, whose messages must be signed by one of signingKeys; others go to the dead letters.",
  },
  signingWindow: {
    kind: 'seconds',
    default: 86_400,
    celery: null,
    about:
      'Seconds for which a signature is good, from when it was made or from the eta. Starts are remembered that long, so that a message that comes again is known.',
  },
};
