// What flows through canvases, as types: what a signature lacks, what it gives, and which may follow which. Nothing here runs.
import type { AsyncResult, EagerResult, GroupResult } from '../result/index.ts';
import type { ApplyOptions, CallOptions, SignatureLike } from './options.ts';
import type { StampOptions, Stamps, StampVisitor } from './stamps.ts';

declare const MISSING: unique symbol;
declare const RESULT: unique symbol;

/** Any signature, plain or a canvas, as the compiler sees it: the arguments it lacks and the value it gives. */
export interface Flow<Missing extends readonly unknown[], Result> extends SignatureLike {
  /** Only a type: a signature that lacks nothing must not pass for one that takes a result. */
  readonly [MISSING]?: (missing: Missing) => void;
  /** Only a type. */
  readonly [RESULT]?: () => Result;
}

/** A call as data: `Missing` are the arguments it still lacks (they go first), `Result` is what it gives. Also a chain or a chord that ends in a task. Immutable: every method gives a new one. */
export interface Signature<Missing extends readonly unknown[], Result> extends Flow<Missing, Result> {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  /** Takes no further arguments: a result that is passed on to it is dropped. */
  readonly immutable: boolean;
  /** A copy with these call options over its own. */
  set(options: CallOptions): Signature<Missing, Result>;
  /** A copy all of whose tasks have these options: of a chain each step, where `set` reaches the first. */
  setAll(options: CallOptions): Signature<Missing, Result>;
  /** A copy that calls `next` with its result. */
  link(next: LinkOf<Result>): Signature<Missing, Result>;
  /** A copy that calls `next` when it fails. */
  linkError(next: ErrbackLike): Signature<Missing, Result>;
  /** `linkError` under Celery's name. */
  onError(next: ErrbackLike): Signature<Missing, Result>;
  /** A copy that ignores the result of what is before it, or one that takes it. */
  setImmutable(immutable: true): ImmutableSignature<Result>;
  setImmutable(immutable: false): Signature<Missing, Result>;
  /** A copy that lacks nothing: the missing arguments are put first. */
  with(...missing: Missing): Signature<[], Result>;
  /** What follows: a task, or any canvas, that takes the result. Celery's operator `|`. */
  pipe<This extends Step, Next extends Step>(this: This, next: Fitting<ResultOf<This>, Next>): PipedFrom<This, Next>;
  /** A copy with given arguments first and given options over its own, as a call would merge them. Unchecked: see `with` for the typed way. */
  merge(args: readonly unknown[], options?: MergeOptions): Signature<readonly unknown[], Result>;
  /** A copy with these parts in place of its own. */
  replace(parts: ReplaceParts): Signature<readonly unknown[], Result>;
  /** A copy with stamps: labels that travel with its tasks. */
  stamp(stamps: Stamps | StampVisitor, options?: StampOptions): Signature<Missing, Result>;
  /** A copy with all ids fixed, so that its result can be known before it is sent. */
  freeze(id?: string): Signature<Missing, Result>;
  /** Itself and all that is linked to it. */
  flattenLinks(): readonly SignatureLike[];
  /** Sends it, with the missing arguments first. */
  delay(...missing: Missing): Promise<AsyncResult<Result>>;
  /** Sends it with further options. */
  applyAsync(missing: Missing, options?: CallOptions): Promise<AsyncResult<Result>>;
  /** Runs it here and now, without a message. */
  apply(missing: Missing, options?: ApplyOptions): Promise<EagerResult<Result>>;
  /** The call as Celery prints it: `add(2, 2)`, `add(1, 2) | mul(3)`. */
  toString(): string;
}

/** Options of a merge. */
export interface MergeOptions extends CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** Parts of a signature. */
export interface ReplaceParts {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly options?: CallOptions;
}

/** A signature that takes no result of another. */
export interface ImmutableSignature<Result> extends Signature<[], Result> {
  readonly immutable: true;
  set(options: CallOptions): ImmutableSignature<Result>;
  setAll(options: CallOptions): ImmutableSignature<Result>;
  link(next: LinkOf<Result>): ImmutableSignature<Result>;
  linkError(next: ErrbackLike): ImmutableSignature<Result>;
  onError(next: ErrbackLike): ImmutableSignature<Result>;
  stamp(stamps: Stamps | StampVisitor, options?: StampOptions): ImmutableSignature<Result>;
  freeze(id?: string): ImmutableSignature<Result>;
}

/** What may follow a task that returns `Result`. */
export type LinkOf<Result> = Flow<[Result], unknown> | (Step & { readonly immutable: true });
/** What may be called when a task fails: any signature; what it gets is decided by its task (see errbacks). */
export type ErrbackLike = SignatureLike;

/** Any signature whatever. */
export type Step = Flow<never, unknown>;

/** How a group was made: of members written down, of a list, or as the end of a chain. One member written down is that member where it follows something. */
export type GroupKind = 'members' | 'list' | 'end';

/** A group, or what ends in one: its result is the list of its members' results. */
export interface GroupSignature<Missing extends readonly unknown[], Results extends readonly unknown[], Made extends GroupKind>
  extends Flow<Missing, Results> {
  /** Only a type. */
  readonly [GROUP]?: Made;
  /** The canvas whose steps these are: 'celery.group', 'celery.chain', 'celery.chord'. */
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  readonly immutable: boolean;
  /** A copy with these call options over its own; every member gets them when it is sent. */
  set(options: CallOptions): GroupSignature<Missing, Results, Made>;
  /** A copy all of whose tasks have these options, in depth. */
  setAll(options: CallOptions): GroupSignature<Missing, Results, Made>;
  /** A copy whose members call `next` when they fail: as often as members fail. */
  linkError(next: ErrbackLike): GroupSignature<Missing, Results, Made>;
  /** The same under Celery's name. */
  onError(next: ErrbackLike): GroupSignature<Missing, Results, Made>;
  /** A copy whose members take no result of what is before them. */
  setImmutable(immutable: true): GroupSignature<AnyArgs, Results, Made>;
  /** A copy that lacks nothing: every member gets these arguments first. */
  with(...missing: Missing): GroupSignature<[], Results, Made>;
  /** What follows: a task, or any canvas, that takes the list of results. */
  pipe<This extends Step, Next extends Step>(this: This, next: Fitting<ResultOf<This>, Next>): PipedFrom<This, Next>;
  /** A copy whose members start one after the other: `start`, `start + step` … seconds from the call. @default start 1, step 1 */
  skew(start?: number, stop?: number, step?: number): GroupSignature<Missing, Results, Made>;
  /** A copy with stamps: labels that travel with its tasks. */
  stamp(stamps: Stamps | StampVisitor, options?: StampOptions): GroupSignature<Missing, Results, Made>;
  /** A copy with all ids fixed, so that its result can be known before it is sent. */
  freeze(id?: string): GroupSignature<Missing, Results, Made>;
  /** Itself and all that is linked to it. */
  flattenLinks(): readonly SignatureLike[];
  /** Sends it: one publish, however many members. */
  delay(...missing: Missing): Promise<GroupResult<Mutable<Results>>>;
  /** Sends it with options, which every member gets. */
  applyAsync(missing: Missing, options?: CallOptions): Promise<GroupResult<Mutable<Results>>>;
  /** Runs it here and now, without messages. */
  apply(missing: Missing, options?: ApplyOptions): Promise<GroupResult<Mutable<Results>>>;
  toString(): string;
}
declare const GROUP: unique symbol;

type Mutable<List extends readonly unknown[]> = { -readonly [Index in keyof List]: List[Index] };

/** Arguments that are ignored, whatever they are. */
export type AnyArgs = [ignored?: unknown];

/** What a signature gives. */
export type ResultOf<S> = S extends Flow<never, infer Result> ? Result : never;
/** What a signature lacks; one that is immutable takes anything and ignores it. */
export type MissingOf<S> = S extends { readonly immutable: true }
  ? AnyArgs
  : S extends Flow<infer Missing, unknown>
    ? Missing
    : never;

type IsUnknown<T> = unknown extends T ? true : false;
/** Can `Next` follow what gives `Given`? What is not known may be anything. */
type Fits<Given, Next> = Next extends { readonly immutable: true }
  ? true
  : IsUnknown<Given> extends true
    ? true
    : Next extends Flow<[Given], unknown>
      ? true
      : false;

/** A step that takes the value of the step before it, or the sentence that says that it does not. */
export type Fitting<Given, Next> =
  Fits<Given, Next> extends true
    ? Next
    : Next extends Flow<[], unknown>
      ? 'This step lacks no argument, so it cannot take the result of the step before it: leave its first argument out, or use si().'
      : 'This step must lack exactly its first argument, of the type that the step before it returns.';

/** `Next` with what comes before it in front. */
export type Ended<Missing extends readonly unknown[], Next> =
  Next extends GroupSignature<never, infer Results, GroupKind>
    ? GroupSignature<Missing, Results, 'end'>
    : Signature<Missing, ResultOf<Next>>;

/** The same; a group that was written with one member is that member. */
export type Piped<Missing extends readonly unknown[], Next> =
  Next extends GroupSignature<never, readonly [infer Only], 'members'> ? Signature<Missing, Only> : Ended<Missing, Next>;

/** What `left.pipe(next)` is. A group that is piped keeps what follows it as it is. */
export type PipedFrom<Left, Next> =
  Left extends GroupSignature<never, readonly unknown[], 'members' | 'list'>
    ? Ended<MissingOf<Left>, Next>
    : Piped<MissingOf<Left>, Next>;

/** What a group in the place of a step gives on. */
type Handed<S> = S extends GroupSignature<never, readonly [infer Only], 'members'> ? Only : ResultOf<S>;
/** Is it a group of its own, in whose place no single member stands? */
type IsBareGroup<S> =
  S extends GroupSignature<never, readonly [unknown], 'members'>
    ? false
    : S extends GroupSignature<never, readonly unknown[], 'members' | 'list'>
      ? true
      : false;
/** What the step before this one gives. Where a chain begins with a group, what follows is its body as it is, a group of one too. */
type HandedBefore<Steps extends readonly unknown[], Index> = Index extends '2'
  ? IsBareGroup<Steps[0]> extends true
    ? ResultOf<Steps[1]>
    : Handed<Steps[1]>
  : Handed<Before<Steps, Index>>;
type Before<Steps extends readonly unknown[], Index> = Index extends keyof [unknown, ...Steps]
  ? [unknown, ...Steps][Index]
  : unknown;

/** Steps, each of which takes the result of the one before it; in the place of one that does not stands a sentence. */
export type Linked<Steps extends readonly unknown[]> = {
  [Index in keyof Steps]: Index extends '0'
    ? Steps[Index]
    : Steps[Index] extends Step
      ? Fitting<Before<Steps, Index> extends Step ? HandedBefore<Steps, Index> : unknown, Steps[Index]>
      : Steps[Index];
};

type Last<Steps extends readonly unknown[]> = Steps extends readonly [...unknown[], infer Final] ? Final : Steps[number];

/** The chain of steps. */
export type ChainOf<Steps extends readonly unknown[]> = Steps extends readonly []
  ? Signature<[], undefined>
  : Steps extends readonly [Iterable<infer Each>]
    ? Piped<MissingOf<Each>, Each>
    : Steps extends readonly [infer First, infer Second]
      ? IsBareGroup<First> extends true
        ? Ended<MissingOf<First>, Second>
        : Piped<MissingOf<First>, Second>
      : Piped<MissingOf<Steps[0]>, Last<Steps>>;

type AsFunction<S> = S extends { readonly immutable: true }
  ? never
  : S extends Flow<infer Missing, unknown>
    ? (missing: Missing) => void
    : never;
type Shared<F> = [F] extends [never]
  ? AnyArgs
  : (F extends unknown ? F : never) extends (missing: infer Missing) => void
    ? Missing
    : never;
/** What all members of a group take. */
export type MissingOfAll<Members extends readonly unknown[]> = Extract<Shared<AsFunction<Members[number]>>, readonly unknown[]>;

type Flat<S> = S extends GroupSignature<never, infer Results, 'members' | 'list'> ? Results : [ResultOf<S>];
/** The results of members, in order; groups among them count as their members. */
export type ResultsOf<Members extends readonly unknown[]> = Members extends readonly [infer First, ...infer Others]
  ? [...Flat<First>, ...ResultsOf<Others>]
  : Members extends readonly []
    ? []
    : Flat<Members[number]>[number][];

/** The group of members, or of a list of them. */
export type GroupOf<Members extends readonly unknown[]> = Members extends readonly [infer Only]
  ? Only extends Step
    ? GroupSignature<MissingOfAll<Members>, ResultsOf<Members>, 'members'>
    : Only extends readonly unknown[]
      ? GroupSignature<MissingOfAll<Only>, ResultsOf<Only>, 'list'>
      : Only extends Iterable<infer Each>
        ? GroupSignature<MissingOfAll<Each[]>, ResultsOf<Each[]>, 'list'>
        : never
  : GroupSignature<MissingOfAll<Members>, ResultsOf<Members>, 'members'>;

/** What may be a chord's header: signatures, a group, one signature. */
export type Header = Step | readonly Step[] | Iterable<Step>;
/** The header as a group. */
export type HeaderOf<H> =
  H extends GroupSignature<infer Missing, infer Results, GroupKind>
    ? GroupSignature<Missing, Results, 'list'>
    : H extends Step
      ? GroupOf<[[H]]>
      : GroupOf<[H]>;
/** The chord of a header and a body that takes the list of its results. */
export type ChordOf<H, Body> =
  HeaderOf<H> extends GroupSignature<infer Missing, readonly unknown[], GroupKind> ? Ended<Missing, Body> : never;

/** A result of a canvas: of one task, or of a group. */
export type CanvasResult = AsyncResult<unknown> | GroupResult<unknown[]>;

/** A signature of any kind without its types: what the classes are, before those who make them vouch for more. */
export interface ErasedSignature extends SignatureLike {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  readonly immutable: boolean;
  set(options: CallOptions): ErasedSignature;
  setAll(options: CallOptions): ErasedSignature;
  link(next: SignatureLike): ErasedSignature;
  linkError(next: SignatureLike): ErasedSignature;
  onError(next: SignatureLike): ErasedSignature;
  setImmutable(immutable: boolean): ErasedSignature;
  with(...missing: readonly unknown[]): ErasedSignature;
  pipe(next: SignatureLike): ErasedSignature;
  merge(args: readonly unknown[], options?: MergeOptions): ErasedSignature;
  replace(parts: ReplaceParts): ErasedSignature;
  stamp(stamps: Stamps | StampVisitor, options?: StampOptions): ErasedSignature;
  freeze(id?: string): ErasedSignature;
  flattenLinks(): readonly SignatureLike[];
  /** undefined for an empty chain, which sends nothing. */
  delay(...missing: readonly unknown[]): Promise<CanvasResult | undefined>;
  applyAsync(missing: readonly unknown[], options?: CallOptions): Promise<CanvasResult | undefined>;
  apply(missing: readonly unknown[], options?: ApplyOptions): Promise<CanvasResult | undefined>;
  toString(): string;
}
