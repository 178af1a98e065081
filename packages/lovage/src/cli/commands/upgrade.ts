// `lovage upgrade settings`: from a Celery settings file to Lovage's configuration, with what could not be carried over and why.
import { copyFileSync, existsSync, constants as files, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { object } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { optional } from '@optique/core/modifiers';
import { argument, option } from '@optique/core/primitives';
import { choice, string } from '@optique/core/valueparser';
import { ConfigurationError } from '../../util/index.ts';
import { type Command, defineCommand, EXIT } from '../define.ts';
import { printable } from '../output.ts';
import { type Upgrade, upgradeSettings } from '../upgrade/settings.ts';
import { PythonSyntaxError } from '../upgrade/tokens.ts';
import { configFile } from '../upgrade/write.ts';

/** A settings file is no larger. */
const MAX_BYTES = 10 * 2 ** 20;

function read(file: string): string {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`upgrade: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (text.length > MAX_BYTES)
    throw new ConfigurationError(`upgrade: ${file} is larger than ${MAX_BYTES} bytes: it is no settings file.`);
  return text;
}

function upgraded(file: string): Upgrade {
  try {
    return upgradeSettings(read(file));
  } catch (error) {
    if (error instanceof PythonSyntaxError)
      throw new ConfigurationError(`upgrade: ${file}:${error.line} cannot be read: ${error.message}.`, { cause: error });
    throw error;
  }
}

/** A copy beside it, which takes the place of no older copy. */
function backUp(file: string): string {
  for (let number = 0; ; number++) {
    const copy = `${file}.orig${number === 0 ? '' : `.${number}`}`;
    try {
      copyFileSync(file, copy, files.COPYFILE_EXCL);
      return copy;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

interface Written {
  readonly output: string;
  readonly backup: string | null;
  readonly isSame: boolean;
}

function write(output: string, text: string, withBackup: boolean): Written {
  try {
    const isThere = existsSync(output);
    if (isThere && readFileSync(output, 'utf8') === text) return { output, backup: null, isSame: true };
    const backup = isThere && withBackup ? backUp(output) : null;
    writeFileSync(output, text);
    return { output, backup, isSame: false };
  } catch (error) {
    throw new ConfigurationError(`upgrade: ${output} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

function reportLines(file: string, { carried, left, others, contradiction }: Upgrade): readonly string[] {
  const lines = [`${carried.length} setting${carried.length === 1 ? '' : 's'} carried over from ${file}.`];
  if (left.length > 0) {
    lines.push('', 'Not carried over:', ...left.map(({ line, name, reason }) => `  line ${line}, ${name}: ${reason}.`));
  }
  if (contradiction !== undefined) lines.push('', `To be put right: ${contradiction}`);
  if (others.length > 0) lines.push('', `No settings of Celery's: ${others.join(', ')}.`);
  return lines;
}

export const upgrade: Command = defineCommand({
  name: 'upgrade',
  summary: "Make Lovage's configuration from a Celery settings file, and say what could not be carried over.",
  examples: [
    'lovage upgrade settings celeryconfig.py',
    'lovage upgrade settings proj/settings.py -o proj/lovage.config.ts',
    'lovage upgrade settings celeryconfig.py -o - > lovage.config.ts',
  ],
  parser: object({
    what: argument(choice(['settings']), { description: message`What to upgrade.` }),
    file: argument(string({ metavar: 'FILE' }), { description: message`A Celery settings file in Python; - is standard input.` }),
    output: optional(
      option('-o', '--output', string({ metavar: 'FILE' }), {
        description: message`Where to write. Default: lovage.config.ts beside FILE; - is standard output.`,
      }),
    ),
    noBackup: option('--no-backup', { description: message`Keep no copy of a file that is written over.` }),
  }),
  run: ({ file, output, noBackup }, { out }) => {
    const result = upgraded(file);
    const { carried, left, others, contradiction } = result;
    const text = configFile(result, file === '-' ? 'standard input' : basename(file));
    const target = output ?? (file === '-' ? 'lovage.config.ts' : join(dirname(file), 'lovage.config.ts'));
    const lines = reportLines(file, result).map(printable);
    const isDone = left.length === 0 && contradiction === undefined;
    if (target === '-' && !out.json) {
      process.stdout.write(text);
      for (const line of lines) out.warn(line);
      return Promise.resolve(isDone ? EXIT.ok : EXIT.failure);
    }
    const written = target === '-' ? undefined : write(target, text, !noBackup);
    const tail =
      written === undefined
        ? []
        : [
            written.isSame ? `${target} is as it should be already.` : `Written: ${target}`,
            ...(written.backup === null ? [] : [`What stood there is in ${written.backup}`]),
          ];
    out.answer(
      {
        file,
        output: written?.output ?? null,
        backup: written?.backup ?? null,
        changed: written?.isSame === false,
        carried: carried.map(({ line, from, to }) => ({ line, from, to })),
        left,
        others,
        contradiction: contradiction ?? null,
        ...(written === undefined ? { text } : {}),
      },
      [...lines, '', ...tail.map(printable)],
    );
    return Promise.resolve(isDone ? EXIT.ok : EXIT.failure);
  },
});
