// Rate limits as Celery writes them. Checked where a task is declared, worked out in the worker.
import { ConfigurationError } from '../util/index.ts';

const RATE = /^\s*(\d+(?:\.\d+)?)\s*(?:\/\s*([smh])?)?\s*$/;
const RATE_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Can it be read as a rate limit? */
export function isRate(value: unknown): boolean {
  if (value === null || value === '') return true;
  return (typeof value === 'number' || typeof value === 'string') && RATE.test(String(value));
}

/** Starts in a second, of `10`, `'10/s'`, `'100/m'` or `'5/h'`; undefined when there is no limit. Throws ConfigurationError. */
export function parseRate(rate: number | string | null | undefined): number | undefined {
  if (rate === null || rate === undefined || rate === '' || rate === 0) return undefined;
  const [, count, unit] = RATE.exec(String(rate)) ?? [];
  const perUnit = Number(count);
  if (count === undefined || !Number.isFinite(perUnit)) {
    throw new ConfigurationError(
      `The rate limit '${rate}' cannot be read; write a number, or a number with /s, /m or /h, such as '100/m'.`,
    );
  }
  return perUnit === 0 ? undefined : perUnit / (RATE_UNITS[unit ?? 's'] ?? 1);
}
