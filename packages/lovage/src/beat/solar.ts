// When the sun rises, sets, stands highest, or is so many degrees below the horizon. The sky is astronomy-engine's business; it is loaded
// when the first entry needs it. Where the sun does not do so for a season, the next time that it does is found.
import { createRequire } from 'node:module';
import type { SolarEvent, SolarSchedule } from '../app/index.ts';
import { ConfigurationError } from '../util/index.ts';

type Astronomy = typeof import('astronomy-engine');

let loaded: Astronomy | undefined;

/** The library, loaded once. Throws ConfigurationError when it is not installed. */
function astronomy(): Astronomy {
  if (loaded !== undefined) return loaded;
  try {
    loaded = createRequire(import.meta.url)('astronomy-engine') as Astronomy;
    return loaded;
  } catch (cause) {
    throw new ConfigurationError("A solar schedule needs the package 'astronomy-engine': npm install astronomy-engine", {
      cause,
    });
  }
}

/** Degrees of the sun's centre, and whether it goes up (1) or down (-1). */
const ALTITUDES: Readonly<Partial<Record<SolarEvent, readonly [degrees: number, direction: 1 | -1]>>> = {
  dawn_astronomical: [-18, 1],
  dawn_nautical: [-12, 1],
  dawn_civil: [-6, 1],
  dusk_civil: [-6, -1],
  dusk_nautical: [-12, -1],
  dusk_astronomical: [-18, -1],
};

/** A polar night and then some. */
const MAX_DAYS = 400;

/** The first time after `after` (epoch milliseconds) that the event happens there; undefined when it does not within a year. Throws ConfigurationError. */
export function nextSolar({ event, latitude, longitude }: SolarSchedule, after: number): number | undefined {
  const sky = astronomy();
  const observer = new sky.Observer(latitude, longitude, 0);
  // Whole milliseconds, and never the moment itself again.
  const from = new Date(after + 1);
  if (event === 'solar_noon') return sky.SearchHourAngle(sky.Body.Sun, observer, 0, from, 1).time.date.getTime();
  const found = search(sky, observer, event, from);
  return found === null ? undefined : Math.max(found.date.getTime(), after + 1);
}

function search(
  sky: Astronomy,
  observer: InstanceType<Astronomy['Observer']>,
  event: SolarEvent,
  from: Date,
): { readonly date: Date } | null {
  const altitude = ALTITUDES[event];
  // At a pole the height changes with the season alone, so that a whole year is one search.
  if (altitude !== undefined) return sky.SearchAltitude(sky.Body.Sun, observer, altitude[1], from, MAX_DAYS, altitude[0]);
  return sky.SearchRiseSet(sky.Body.Sun, observer, event === 'sunrise' ? 1 : -1, from, MAX_DAYS);
}
