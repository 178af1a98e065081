// A time zone by IANA's rules, as Node's ICU knows them. Intl answers for one moment in some microseconds; here its answers are kept by
// day, so that a beat with thousands of entries asks once a day and not once a minute. Milliseconds everywhere.

const DAY = 86_400_000;
/** Days of one zone that are kept: years of daily looks, and a bound for those who look everywhere. */
const MAX_DAYS = 5000;

/** A zone; times are milliseconds, "wall" ones as if they were UTC. */
export interface Zone {
  readonly name: string;
  /** What is added to UTC to have the time on the wall. */
  offsetAt(at: number): number;
  /** The moments at which the wall shows this time: none when it was skipped, two (the first one first) when it came twice. */
  momentsOf(wall: number): readonly number[];
  /** For a wall time that was skipped: the moment as if the change had not happened, so that 02:30 is 03:30. */
  shifted(wall: number): number;
  /** Is the offset the same from a day before to two days after the start of this wall day? Then all its times exist once. */
  isPlain(wallDay: number): boolean;
}

/** One day of UTC: the offset it begins with, and the moment of a change and the offset after it. */
interface ZoneDay {
  readonly before: number;
  readonly change: number;
  readonly after: number;
}

function reader(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (at) => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
  };
}

const zones = new Map<string, Zone>();

/** The zone of an IANA name. Throws RangeError for one that is not known. */
export function zoneOf(name: string): Zone {
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = name === 'UTC' ? UTC : createZone(name);
    zones.set(name, zone);
  }
  return zone;
}

const UTC: Zone = { name: 'UTC', offsetAt: () => 0, momentsOf: (wall) => [wall], shifted: (wall) => wall, isPlain: () => true };

function createZone(name: string): Zone {
  const read = reader(name);
  const days = new Map<number, ZoneDay>();

  /** No zone changes twice in a day. */
  function look(day: number): ZoneDay {
    const before = read(day * DAY);
    const after = read((day + 1) * DAY);
    if (before === after) return { before, change: Number.POSITIVE_INFINITY, after };
    let low = day * DAY;
    let high = low + DAY;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (read(middle) === before) low = middle;
      else high = middle;
    }
    return { before, change: high, after };
  }

  function dayOf(at: number): ZoneDay {
    const day = Math.floor(at / DAY);
    let known = days.get(day);
    if (known === undefined) {
      known = look(day);
      if (days.size >= MAX_DAYS) days.clear();
      days.set(day, known);
    }
    return known;
  }

  function offsetAt(at: number): number {
    const { before, change, after } = dayOf(at);
    return at < change ? before : after;
  }

  return {
    name,
    offsetAt,
    momentsOf: (wall) => {
      const earlier = wall - offsetAt(wall - DAY);
      const later = wall - offsetAt(wall + DAY);
      const found = earlier === later ? [earlier] : [earlier, later].sort((a, b) => a - b);
      return found.filter((at) => at + offsetAt(at) === wall);
    },
    shifted: (wall) => wall - offsetAt(wall - DAY),
    isPlain: (wallDay) => {
      const first = Math.floor(wallDay / DAY) - 1;
      const { before } = dayOf(first * DAY);
      for (let day = first; day <= first + 2; day++) {
        const each = dayOf(day * DAY);
        if (each.before !== before || each.after !== before) return false;
      }
      return true;
    },
  };
}
