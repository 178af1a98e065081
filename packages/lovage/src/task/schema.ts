// Standard Schema at a task's borders: what goes in is checked (and transformed) for each argument, what comes out as a whole.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ArgumentsError, type Maybe, TaskError } from '../util/index.ts';
import type { TaskDefinition } from './options.ts';

type Schema = StandardSchemaV1;
type Verdict = StandardSchemaV1.Result<unknown>;

const isList = (input: Schema | readonly Schema[]): input is readonly Schema[] => Array.isArray(input);

function schemasOf({ options }: TaskDefinition): readonly Schema[] {
  const { input } = options;
  if (input === undefined) return [];
  return isList(input) ? input : [input];
}

function issuesOf(verdict: Verdict): string | undefined {
  return verdict.issues?.map((issue) => `${pathOf(issue)}${issue.message}`).join('; ');
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  return path.length === 0 ? '' : `${path.join('.')}: `;
}

const label = ({ params }: TaskDefinition, index: number): string => params?.[index] ?? `argument ${index + 1}`;

/** Checks what can be checked without waiting. Throws ArgumentsError. */
export function checkInput(definition: TaskDefinition, args: readonly unknown[]): void {
  for (const [index, schema] of schemasOf(definition).entries()) {
    const verdict = schema['~standard'].validate(args[index]);
    // A schema that has to wait is asked in the worker only.
    if (verdict instanceof Promise) {
      verdict.catch(() => undefined);
      continue;
    }
    const issues = issuesOf(verdict);
    if (issues !== undefined)
      throw new ArgumentsError(`${definition.name}: ${label(definition, index)} is not valid: ${issues}. Nothing was sent.`);
  }
}

/** The arguments as the schemas make them. Throws, or rejects with, ArgumentsError. */
export function parseInput(definition: TaskDefinition, args: readonly unknown[]): Maybe<readonly unknown[]> {
  return definition.options.input === undefined ? args : parseEach(definition, schemasOf(definition), args);
}

async function parseEach(
  definition: TaskDefinition,
  schemas: readonly Schema[],
  args: readonly unknown[],
): Promise<readonly unknown[]> {
  const parsed = [...args];
  for (const [index, schema] of schemas.entries()) {
    const verdict = await schema['~standard'].validate(args[index]);
    const issues = issuesOf(verdict);
    if (issues !== undefined)
      throw new ArgumentsError(`${definition.name}: ${label(definition, index)} is not valid: ${issues}.`);
    if ('value' in verdict) parsed[index] = verdict.value;
  }
  return parsed;
}

/** The result as the schema makes it. Throws TaskError. */
export async function parseOutput(definition: TaskDefinition, value: unknown): Promise<unknown> {
  const schema = definition.options.output;
  if (schema === undefined) return value;
  const verdict = await schema['~standard'].validate(value);
  const issues = issuesOf(verdict);
  if (issues !== undefined) throw new TaskError(`${definition.name} returned a value that its output schema refuses: ${issues}.`);
  return 'value' in verdict ? verdict.value : value;
}
