// Settings of the application as a whole: content, time, modules, security, the schedule of beat.
import { checkSchedule } from './checks.ts';
import type { SettingRows } from './row.ts';

export const generalSettings: SettingRows = {
  acceptContent: {
    kind: 'strings',
    default: ['json'],
    old: 'CELERY_ACCEPT_CONTENT',
    about: 'Serializers (names or MIME types) whose task messages may be decoded; all others go to the dead letters.',
  },
  resultAcceptContent: {
    kind: 'strings',
    default: null,
    old: 'RESULT_ACCEPT_CONTENT',
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
    check: checkSchedule,
    about: 'What beat sends and when: a map of entry name to { task, schedule, args, kwargs, options }.',
    later: 'beat',
  },
  beatScheduler: {
    kind: 'string',
    default: null,
    old: 'CELERYBEAT_SCHEDULER',
    about: 'Where beat keeps what it remembers: a store name or URL; null: beside the broker.',
    later: 'beat',
  },
  beatScheduleFilename: {
    kind: 'string',
    default: 'lovage-schedule',
    old: 'CELERYBEAT_SCHEDULE_FILENAME',
    about: 'File of the schedule store that lives in a file.',
    later: 'beat',
  },
  beatMaxLoopInterval: {
    kind: 'seconds',
    default: 0,
    old: 'CELERYBEAT_MAX_LOOP_INTERVAL',
    about: 'Longest sleep of beat between two looks at its schedule, in seconds; 0: the default of the store.',
    later: 'beat',
  },
  beatSyncEvery: {
    kind: 'integer',
    default: 0,
    old: 'CELERYBEAT_SYNC_EVERY',
    about: 'Save the schedule after this many sent tasks; 0: by time only.',
    later: 'beat',
  },
  beatCronStartingDeadline: {
    kind: 'seconds',
    default: null,
    old: 'CELERYBEAT_CRON_STARTING_DEADLINE',
    about: 'Skip a crontab run that is late by more than this many seconds; null: never skip.',
    later: 'beat',
  },
  securityCertificate: {
    kind: 'string',
    default: null,
    old: 'CELERY_SECURITY_CERTIFICATE',
    about: 'File of the certificate that belongs to securityKey.',
    later: 'signed messages',
  },
  securityCertStore: {
    kind: 'string',
    default: null,
    old: 'CELERY_SECURITY_CERT_STORE',
    about: 'Folder or glob of the certificates whose signatures are trusted.',
    later: 'signed messages',
  },
  securityKey: {
    kind: 'string',
    default: null,
    old: 'CELERY_SECURITY_KEY',
    secret: true,
    about: 'File of the private key that signs messages.',
    later: 'signed messages',
  },
  securityKeyPassword: {
    kind: 'any',
    default: null,
    type: 'string | Uint8Array | null',
    old: 'CELERY_SECURITY_KEY_PASSWORD',
    secret: true,
    about: 'Password of securityKey.',
    later: 'signed messages',
  },
  securityDigest: {
    kind: 'string',
    default: 'sha256',
    old: 'CELERY_SECURITY_DIGEST',
    about: 'Hash of the signatures.',
    later: 'signed messages',
  },
};
