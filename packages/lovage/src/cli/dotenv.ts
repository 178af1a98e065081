// A dotenv file, read before anything looks at the environment. Node takes --env-file for its own, even behind the script.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { ConfigurationError } from '../util/index.ts';
import { globalWord } from './global-word.ts';

/** Puts the variables of the file that `--dotenv` names into this process's environment; what is set there stays. */
export function readEnvironmentFile(argv: readonly string[]): void {
  const { env } = process;
  const name = globalWord(argv, { names: ['--dotenv'], variable: 'LOVAGE_DOTENV' }, env);
  if (name === undefined) return;
  const path = resolve(globalWord(argv, { names: ['--workdir'], variable: 'LOVAGE_WORKDIR' }, env) ?? '.', name);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`--dotenv: '${path}' cannot be read: ${(error as Error).message}`, { cause: error });
  }
  for (const [variable, value] of Object.entries(parseEnv(text))) env[variable] ??= value;
}
