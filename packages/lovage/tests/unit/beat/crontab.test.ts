// Celery's crontab grammar and its due times, against what Celery 5.6.2 answered.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { crontab, FIELDS, type FieldValue, readField } from '../../../src/app/index.ts';
import { createCrontab } from '../../../src/beat/crontab.ts';

interface ParseCase {
  readonly field: string;
  readonly spec: FieldValue;
  readonly values?: readonly number[];
  readonly error?: string;
}

interface DueCase {
  readonly crontab: Readonly<Record<string, FieldValue>>;
  readonly timezone: string;
  readonly last_run_at: string;
  readonly now: string;
  readonly remaining_estimate_seconds?: number;
  readonly is_due?: boolean;
  readonly next_seconds?: number;
  readonly error?: string;
}

function cases<T>(name: string): readonly T[] {
  const text = readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly cases: readonly T[] }).cases;
}

const camel = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** What Celery takes and does not mean: names of another field, and what follows a range. */
const REFUSED = new Set(['minute 1-2-3', 'day_of_week jan', 'day_of_month mon', 'month_of_year mon', 'minute mon', 'hour mon']);

describe('the grammar of fields', () => {
  test.each(cases<ParseCase>('fn-crontab-parse').map((each) => [`${each.field} ${JSON.stringify(each.spec)}`, each] as const))(
    '%s',
    (_, { field, spec, values }) => {
      const kind = FIELDS[camel(field) as keyof typeof FIELDS];
      const read = (): readonly number[] => readField(kind, spec);
      if (values === undefined || REFUSED.has(`${field} ${String(spec)}`)) expect(read).toThrow(`The crontab field ${kind.name}`);
      else expect(read()).toEqual(values);
    },
  );

  test('an error points at the place', () => {
    expect(() => crontab({ hour: '1-5,8-25' })).toThrow(/25 is not within 0 to 23\.\n1-5,8-25\n {6}\^/);
    expect(() => crontab({ dayOfWeek: 'mon,7' })).toThrow('Sunday is 0');
    expect(() => crontab('5/15 * * * *')).toThrow("a step needs a range or '*' before it: 5-59/15");
    expect(() => crontab('* * * *')).toThrow('it has 4 fields and needs five');
    expect(() => crontab('@daily')).toThrow('write 0 0 * * *');
    expect(() => crontab({ dayOfMonth: 31, monthOfYear: '2,4' })).toThrow('a day that no year has');
    expect(() => crontab('* * * * *', { timezone: 'Mars/Olympus' })).toThrow("no time zone 'Mars/Olympus'");
    expect(() => crontab({ minuet: 1 } as never)).toThrow("Did you mean 'minute'?");
    expect(() => crontab({ minute: null } as never)).toThrow('a value of type null was given');
  });

  test("a text is in cron's order, and a list of numbers is a field", () => {
    const { minute, hour, dayOfMonth, monthOfYear, dayOfWeek } = crontab('1 2 3 4 5');
    expect([minute, hour, dayOfMonth, monthOfYear, dayOfWeek]).toEqual(['1', '2', '3', '4', '5']);
    expect(crontab({ minute: new Set([5, 10]) }).minute).toBe('5,10');
  });
});

/** Celery passes over the hour that comes twice; what has `*` hours goes on here. */
const TWICE = new Map([
  ['*/30 2026-11-01T01:59:30-04:00', 30],
  ['0 2026-11-01T01:59:30-04:00', 30],
]);

describe('due times', () => {
  test.each(cases<DueCase>('fn-crontab-due').map((each, index) => [index, each] as const))('vector %i', (_, given) => {
    const fields = Object.fromEntries(Object.entries(given.crontab).map(([name, value]) => [camel(name), value]));
    if (given.error !== undefined) {
      expect(() => crontab(fields)).toThrow('a day that no year has');
      return;
    }
    const { next } = createCrontab(crontab(fields), given.timezone);
    const now = Date.parse(given.now);
    const remaining = ((next(Date.parse(given.last_run_at)) ?? Number.NaN) - now) / 1000;
    const own = TWICE.get(`${String(given.crontab.minute)} ${given.now}`);
    expect(remaining).toBe(own ?? given.remaining_estimate_seconds);
    if (remaining <= 0) expect(((next(now) ?? Number.NaN) - now) / 1000).toBe(given.next_seconds);
  });
});
