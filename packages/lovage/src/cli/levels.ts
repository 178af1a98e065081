// Log levels as Celery names them, in any case.
import { message } from '@optique/core/message';
import type { ValueParser } from '@optique/core/valueparser';

const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL', 'FATAL'] as const;
export type LevelName = (typeof LEVELS)[number];

export function levels(): ValueParser<'sync', LevelName> {
  return {
    mode: 'sync',
    metavar: 'LEVEL',
    placeholder: 'INFO',
    choices: LEVELS,
    parse: (input) => {
      const found = LEVELS.find((level) => level === input.toUpperCase());
      return found
        ? { success: true, value: found }
        : { success: false, error: message`${input} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL.` };
    },
    format: (value) => value,
    *suggest(prefix) {
      for (const level of LEVELS) if (level.startsWith(prefix.toUpperCase())) yield { kind: 'literal', text: level };
    },
  };
}
