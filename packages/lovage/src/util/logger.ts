// Log lines: one tree of categories under `lovage`; silent until a program (the worker, or the user) configures a sink.
import { getLogger, type Logger } from '@logtape/logtape';

export type { Logger };

/** The logger of one part: `logger('consumer')` logs under `lovage.consumer`. */
export function logger(...category: readonly string[]): Logger {
  return getLogger(['lovage', ...category]);
}
