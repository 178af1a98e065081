// What a part of Lovage writes into its log, for tests that read it.
import { configure, type LogRecord, reset } from '@logtape/logtape';
import { afterEach, beforeEach } from 'vitest';

/** Lines `level: message` of one category, from `info` on; empty at the start of each test. */
export function toldBy(category: string): readonly string[] {
  const told: string[] = [];
  beforeEach(async () => {
    told.length = 0;
    const sink = ({ level, message }: LogRecord): void => void told.push(`${level}: ${message.map(String).join('')}`);
    await configure({
      reset: true,
      sinks: { told: sink },
      loggers: [
        { category: ['lovage', category], lowestLevel: 'info', sinks: ['told'] },
        { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: [] },
      ],
    });
  });
  afterEach(() => reset());
  return told;
}
