// Which schedule store an app has: the one that is named, else the database of its broker, or of its results, or a file.
import { brokerUrl, type Lovage, resultUrl } from '../app/index.ts';
import { ConfigurationError, redactUrl } from '../util/index.ts';
import { keepsSchedules, openStore } from './drivers.ts';
import type { ScheduleStore, StoreOptions } from './store.ts';

/** What a program says of its store. */
export interface StoreChoice {
  /** `file`, or a URL. @default the setting beatScheduler */
  readonly store?: string | undefined;
  /** File of the store `file`; naming one chooses that store. @default the setting beatScheduleFilename */
  readonly filename?: string | undefined;
}

/** The names that Celery's users have in their settings. */
const CELERYS = /^(celery\.beat:|django_celery_beat|redbeat)/;

function choose(app: Lovage, { store, filename }: StoreChoice): string {
  const { beatScheduler, beatScheduleFilename } = app.settings;
  if (filename !== undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(filename))
    throw new ConfigurationError(
      `The schedule file '${redactUrl(filename)}' is an address. Name a file (option -s), or the store (option -S, setting beatScheduler).`,
    );
  const file = `sqlite:${encodeURI(filename ?? beatScheduleFilename)}`;
  const named = store ?? (filename === undefined ? beatScheduler : 'file');
  if (named !== null && !CELERYS.test(named)) return named === 'file' ? file : named === 'memory' ? 'memory://' : named;
  const places = [brokerUrl(app.settings, 'write'), resultUrl(app.settings)];
  return places.find((url) => keepsSchedules(url)) ?? file;
}

/** Opens the store of an app's schedule; nothing connects before the first call. `patience`: seconds that one call may take. */
export async function openScheduleStore(
  app: Lovage,
  choice: StoreChoice = {},
  patience: number = app.settings.brokerConnectionTimeout,
): Promise<ScheduleStore> {
  await app.ready();
  const { settings } = app;
  const url = choose(app, choice);
  const options = optionsAt(app, url);
  return openStore({ url, appName: app.name, connectTimeout: settings.brokerConnectionTimeout, patience, ...options });
}

/** What is known of this place because broker or results are there too. */
function optionsAt({ settings }: Lovage, url: string): Pick<StoreOptions, 'tls' | 'transportOptions'> {
  const isSqlite = /^sqlite:/i.test(url);
  const durability = isSqlite ? { durability: settings.durability } : {};
  if (url === brokerUrl(settings, 'write')) {
    const tls = settings.brokerUseSsl === false ? {} : { tls: settings.brokerUseSsl };
    return { ...tls, transportOptions: { ...durability, ...settings.brokerTransportOptions } };
  }
  const tls =
    settings.redisBackendUseSsl === null || settings.redisBackendUseSsl === false ? {} : { tls: settings.redisBackendUseSsl };
  if (url === resultUrl(settings))
    return { ...tls, transportOptions: { ...durability, ...settings.resultBackendTransportOptions } };
  return { transportOptions: durability };
}
