// `key=value` after `--`: settings over the app's own.
import { message } from '@optique/core/message';
import { string, type ValueParser } from '@optique/core/valueparser';

export function keyValue(): ValueParser<'sync', string> {
  return {
    ...string({ metavar: 'KEY=VALUE' }),
    parse: (input) =>
      /^[\w.]+=/.test(input)
        ? { success: true, value: input }
        : { success: false, error: message`${input} is no setting: write key=value.` },
  };
}
