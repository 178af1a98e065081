// How tasks are declared, as types: `app.task(name, options, body)` in all its forms, and `app.remote<…>(name)`.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { TaskContext } from './context.ts';
import type { RemoteTask, Task } from './handle.ts';
import type { BoundApp, TaskHandlers } from './handlers.ts';
import type { TaskDefinition, TaskOptions } from './options.ts';

/** Any function, as the type of a task's body. */
export type Body = (...args: never[]) => unknown;
/** Any function whose first parameter is the context. */
export type BoundBody = (context: TaskContext, ...args: never[]) => unknown;
/** The arguments of calls of a bound body. */
export type BoundArgs<Run extends BoundBody> = Run extends (context: never, ...args: infer Args) => unknown ? Args : never;

/** Options and handlers of a declared task. */
export interface DeclareOptions extends TaskOptions, TaskHandlers {
  /** Put the task's context first. @default false */
  readonly bind?: boolean;
  /** Called once, when the task is declared and its app knows it (Celery's `on_bound`). What it throws, the declaration throws. */
  onBound?(app: BoundApp, task: TaskDefinition): void;
}
type Unchecked = { readonly input?: undefined; readonly output?: undefined };
type PlainOptions = DeclareOptions & Unchecked & { readonly bind?: false };
type BoundOptions = DeclareOptions & Unchecked & { readonly bind: true };

type Schema = StandardSchemaV1;
/** One schema for the only argument, or one for each. */
export type InputSchemas = Schema | readonly [Schema, ...Schema[]];
/** What callers give: the schemas' input. */
export type SchemaArgs<Input extends InputSchemas> = Input extends Schema
  ? [StandardSchemaV1.InferInput<Input>]
  : { -readonly [Index in keyof Input]: Input[Index] extends Schema ? StandardSchemaV1.InferInput<Input[Index]> : never };
/** What the body gets: the schemas' output. */
export type SchemaParams<Input extends InputSchemas> = Input extends Schema
  ? [StandardSchemaV1.InferOutput<Input>]
  : { -readonly [Index in keyof Input]: Input[Index] extends Schema ? StandardSchemaV1.InferOutput<Input[Index]> : never };
type AsArgs<Args> = Args extends readonly unknown[] ? Args : never;
type Later<Value> = Value | Promise<Value>;

/** `app.task`: declares a task. */
export interface DeclareTask {
  <Run extends Body>(name: string, run: Run): Task<Parameters<Run>, Awaited<ReturnType<Run>>>;
  <Run extends Body>(name: string, options: PlainOptions, run: Run): Task<Parameters<Run>, Awaited<ReturnType<Run>>>;
  <Run extends BoundBody>(name: string, options: BoundOptions, run: Run): Task<BoundArgs<Run>, Awaited<ReturnType<Run>>>;
  <const Input extends InputSchemas, Result>(
    name: string,
    options: DeclareOptions & { readonly bind?: false; readonly input: Input; readonly output?: undefined },
    run: (...args: AsArgs<SchemaParams<Input>>) => Result,
  ): Task<AsArgs<SchemaArgs<Input>>, Awaited<Result>>;
  <const Input extends InputSchemas, Result>(
    name: string,
    options: DeclareOptions & { readonly bind: true; readonly input: Input; readonly output?: undefined },
    run: (context: TaskContext, ...args: AsArgs<SchemaParams<Input>>) => Result,
  ): Task<AsArgs<SchemaArgs<Input>>, Awaited<Result>>;
  <const Input extends InputSchemas, Output extends Schema>(
    name: string,
    options: DeclareOptions & { readonly bind?: false; readonly input: Input; readonly output: Output },
    run: (...args: AsArgs<SchemaParams<Input>>) => Later<StandardSchemaV1.InferInput<Output>>,
  ): Task<AsArgs<SchemaArgs<Input>>, StandardSchemaV1.InferOutput<Output>>;
  <const Input extends InputSchemas, Output extends Schema>(
    name: string,
    options: DeclareOptions & { readonly bind: true; readonly input: Input; readonly output: Output },
    run: (context: TaskContext, ...args: AsArgs<SchemaParams<Input>>) => Later<StandardSchemaV1.InferInput<Output>>,
  ): Task<AsArgs<SchemaArgs<Input>>, StandardSchemaV1.InferOutput<Output>>;
  <Args extends readonly unknown[], Output extends Schema>(
    name: string,
    options: DeclareOptions & { readonly bind?: false; readonly input?: undefined; readonly output: Output },
    run: (...args: Args) => Later<StandardSchemaV1.InferInput<Output>>,
  ): Task<Args, StandardSchemaV1.InferOutput<Output>>;
  <Run extends (context: TaskContext, ...args: never[]) => Later<StandardSchemaV1.InferInput<Output>>, Output extends Schema>(
    name: string,
    options: DeclareOptions & { readonly bind: true; readonly input?: undefined; readonly output: Output },
    run: Run,
  ): Task<BoundArgs<Run>, StandardSchemaV1.InferOutput<Output>>;
}

/** `app.remote`: a typed handle of a task whose code is elsewhere. The type is that of the task, or of its function. */
export type DeclareRemote = <Run extends Body = (...args: readonly unknown[]) => unknown>(
  name: string,
  options?: TaskOptions,
) => RemoteTask<Parameters<Run>, Awaited<ReturnType<Run>>>;
