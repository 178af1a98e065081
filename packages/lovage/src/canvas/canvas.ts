// The handle of a canvas: a signature of any kind over its wire form. Immutable; it plans and hands the plan to the sender, nothing more.
import type { ResultNode, WireSignature } from '../protocol/index.ts';
import {
  type ApplyOptions,
  type CallOptions,
  type CanvasMaker,
  type CanvasPlan,
  type CanvasResult,
  checkCallOptions,
  type ErasedSignature,
  type ExecuteEnvironment,
  hostOfSignature,
  type MergeOptions,
  type ReplaceParts,
  readOptions,
  type SignatureHost,
  type SignatureLike,
  type StampOptions,
  type Stamps,
  type StampVisitor,
  sendPlan,
  writeOptions,
} from '../task/index.ts';
import { ConfigurationError, taskUuid } from '../util/index.ts';
import { combined } from './combine.ts';
import { appliedHere } from './eager.ts';
import { errorLinked, flattened, type LinkRules, linked } from './link.ts';
import { freeze, type PlanInput, plan } from './plan.ts';
import { reprOf } from './repr.ts';
import { stamped } from './stamp.ts';
import { asPart, bodyOf, chunkGroup, headerOf, kindOf, mergeSignature, tasksOf, withKwargs, withOptions } from './wire.ts';

/** Options that are about sending and mean nothing in a signature: those of a call hold for all messages of its canvas. */
const OF_SENDING = ['publishTimeout', 'retry', 'retryPolicy', 'signal'] as const;

class Canvas implements ErasedSignature {
  readonly #wire: WireSignature;
  readonly #host: SignatureHost | undefined;

  constructor(wire: WireSignature, host: SignatureHost | undefined) {
    kindOf(wire);
    this.#wire = wire;
    this.#host = host;
  }

  get task(): string {
    return this.#wire.task;
  }

  get args(): readonly unknown[] {
    return this.#wire.args;
  }

  get kwargs(): Readonly<Record<string, unknown>> {
    return this.#wire.kwargs;
  }

  get options(): Readonly<CallOptions> {
    return readOptions(this.#wire.options);
  }

  get immutable(): boolean {
    return this.#wire.immutable;
  }

  /** What sends it; undefined when none of its parts has an app. */
  static host(signature: object): SignatureHost | undefined {
    return #host in signature ? signature.#host : undefined;
  }

  set(options: CallOptions): Canvas {
    return this.#copy(withOptions(this.#wire, this.#written(options)));
  }

  setAll(options: CallOptions): Canvas {
    return this.#copy(everyTask(this.#wire, this.#written(options)));
  }

  link(next: SignatureLike): Canvas {
    if (kindOf(this.#wire) === 'group') {
      throw new ConfigurationError(
        'A group has no result of its own that it could hand to a callback: pipe the group into a task, which makes a chord, or link to its members.',
      );
    }
    return this.#copy(linked(this.#wire, next.toWire()));
  }

  linkError(next: SignatureLike): Canvas {
    return this.#copy(errorLinked(this.#wire, next.toWire(), this.#rules()));
  }

  onError(next: SignatureLike): Canvas {
    return this.linkError(next);
  }

  setImmutable(immutable: boolean): Canvas {
    return this.#copy(withImmutable(this.#wire, immutable));
  }

  with(...missing: readonly unknown[]): Canvas {
    return this.#copy(mergeSignature(this.#wire, missing));
  }

  pipe(next: SignatureLike): Canvas {
    if (typeof (next as Partial<SignatureLike> | undefined)?.toWire !== 'function') {
      throw new ConfigurationError(`Only a signature can follow ${String(this)}: use task.s(…) or a canvas.`);
    }
    return new Canvas(combined(asPart(this.#wire), asPart(next.toWire()), this.#rules()), this.#host ?? hostOf([next]));
  }

  merge(args: readonly unknown[], { kwargs = {}, ...options }: MergeOptions = {}): Canvas {
    return this.#copy(mergeSignature(this.#wire, args, kwargs, this.#written(options)));
  }

  replace({ args, kwargs, options }: ReplaceParts): Canvas {
    return this.#copy({
      ...this.#wire,
      ...(args === undefined ? {} : { args }),
      ...(kwargs === undefined ? {} : { kwargs }),
      ...(options === undefined ? {} : { options: this.#written(options) }),
    });
  }

  stamp(stamps: Stamps | StampVisitor, { append = false }: StampOptions = {}): Canvas {
    return this.#copy(stamped(this.#wire, stamps, append));
  }

  freeze(id?: string): Canvas {
    const environment = this.#host?.environment();
    const input = environment === undefined ? { rules: this.#rules() } : inputOf(environment);
    return this.#copy(freeze(this.#wire, { ...input, newId: taskUuid, ...(id === undefined ? {} : { id }) }).signature);
  }

  /** Members start one after the other, the last of a limited row all together. */
  skew(start: number = 1, stop?: number, step: number = 1): Canvas {
    const delay = (index: number): number => {
      const countdown = start + index * step;
      return stop === undefined ? countdown : Math.min(countdown, start + Math.floor((stop - start) / step) * step);
    };
    const tasks = tasksOf(this.#wire).map((task, index) => withOptions(task, { countdown: delay(index) }));
    return this.#copy(withKwargs(this.#wire, { tasks }));
  }

  /** Chunks as the group that they are sent as. */
  group(): Canvas {
    return this.#copy(chunkGroup(this.#wire));
  }

  flattenLinks(): readonly SignatureLike[] {
    return flattened(this.#wire).map((wire) => new Canvas(wire, this.#host));
  }

  delay(...missing: readonly unknown[]): Promise<CanvasResult | undefined> {
    return this.applyAsync(missing);
  }

  async applyAsync(missing: readonly unknown[], options: CallOptions = {}): Promise<CanvasResult | undefined> {
    checkCallOptions(this.task, options);
    this.#refuseGroupLinks(options);
    const { environment, host } = this.#sender();
    if (environment.settings.alwaysEager) return appliedHere(this.#wire, missing, host, this.#written(options));
    const made = plan(asPart(this.#wire), {
      ...inputOf(environment),
      newId: taskUuid,
      args: missing,
      options: this.#written(options),
    });
    await sendPlan(environment, withSending(made, options), options.addToParent);
    return made.result === undefined ? undefined : resultOf(environment, made.result, made);
  }

  async apply(missing: readonly unknown[], options: ApplyOptions = {}): Promise<CanvasResult | undefined> {
    const { throw: propagates, ...rest } = options;
    const { host } = this.#sender();
    return appliedHere(this.#wire, missing, host, this.#written(rest), propagates);
  }

  toWire(): WireSignature {
    return this.#wire;
  }

  toJSON(): WireSignature {
    return this.#wire;
  }

  toString(): string {
    return reprOf(this.#wire);
  }

  #copy(wire: WireSignature): Canvas {
    return new Canvas(wire, this.#host);
  }

  #rules(): LinkRules {
    return rulesOf(this.#host);
  }

  /** Options in the wire's words; a priority that is a word becomes the number that it is on the app's broker. */
  #written(options: CallOptions): Readonly<Record<string, unknown>> {
    checkCallOptions(this.task, options);
    if (typeof options.priority !== 'string') return writeOptions(options);
    const call = { task: this.task, args: [], kwargs: {}, options };
    const priority = this.#host?.environment().priorityOf?.(call);
    return writeOptions(priority === undefined ? options : { ...options, priority });
  }

  #refuseGroupLinks({ link, linkError }: CallOptions): void {
    if (kindOf(this.#wire) !== 'group' || (link === undefined && linkError === undefined)) return;
    throw new ConfigurationError(
      link === undefined
        ? 'A call of a group takes no linkError: give it to the members, or use .linkError() of the group.'
        : 'A call of a group takes no link: a group has no result of its own. Pipe it into a task, which makes a chord.',
    );
  }

  #sender(): { readonly environment: ExecuteEnvironment; readonly host: SignatureHost } {
    const host = this.#host;
    if (host !== undefined) return { environment: host.environment(), host };
    throw new ConfigurationError(
      `${this.task} has no member that knows an app, so nothing can send it. An empty group or chain is sent by pipe() into a signature of an app.`,
    );
  }
}

/** What plans need of an app. */
function inputOf({ settings, registry }: ExecuteEnvironment): PlanInput {
  const { errbacksOnHeaders: errorsOnHeader = false, replyTo, resultExpires } = settings;
  return { rules: { errorsOnHeader }, registry, replyTo, expires: resultExpires };
}

function rulesOf(host: SignatureHost | undefined): LinkRules {
  return { errorsOnHeader: host?.environment().settings.errbacksOnHeaders ?? false };
}

function withSending(made: CanvasPlan, options: CallOptions): CanvasPlan {
  const given = Object.fromEntries(OF_SENDING.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));
  if (Object.keys(given).length === 0) return made;
  return { ...made, calls: made.calls.map((call) => ({ ...call, options: { ...call.options, ...given } })) };
}

/** The same options on every task: steps, members, headers, bodies. */
function everyTask(wire: WireSignature, options: Readonly<Record<string, unknown>>): WireSignature {
  const each = (tasks: readonly WireSignature[]): readonly WireSignature[] => tasks.map((task) => everyTask(task, options));
  const kind = kindOf(wire);
  if (kind === 'task') return withOptions(wire, options);
  if (kind !== 'chord') return withKwargs(wire, { tasks: each(tasksOf(wire)) });
  const body = bodyOf(wire);
  const header = withHeader(wire, each(tasksOf(headerOf(wire))));
  return body === undefined ? header : withKwargs(header, { body: everyTask(body, options) });
}

/** The chord with these members in its header, which stays a list or a group. */
function withHeader(wire: WireSignature, tasks: readonly WireSignature[]): WireSignature {
  return withKwargs(wire, { header: Array.isArray(wire.kwargs.header) ? tasks : withKwargs(headerOf(wire), { tasks }) });
}

/** Members and headers ignore what is before them, where the containers themselves hand on. */
function withImmutable(wire: WireSignature, immutable: boolean): WireSignature {
  const kind = kindOf(wire);
  const each = (tasks: readonly WireSignature[]): readonly WireSignature[] => tasks.map((task) => withImmutable(task, immutable));
  if (kind === 'group') return withKwargs(wire, { tasks: each(tasksOf(wire)) });
  if (kind !== 'chord') return { ...wire, immutable };
  return withHeader(wire, each(tasksOf(headerOf(wire))));
}

/** The handles of what will be there in the end, with all that comes before it. */
function resultOf(environment: ExecuteEnvironment, node: ResultNode, made: CanvasPlan): CanvasResult {
  const ignored = new Set(made.calls.filter(({ options }) => options.ignoreResult === true).map(({ options }) => options.taskId));
  const handleBehind = ({ id, members }: ResultNode, parent: CanvasResult | undefined): CanvasResult =>
    members === undefined
      ? environment.results.result(id, { parent, ignored: ignored.has(id) })
      : environment.results.group(id, members.map(handle), { parent });
  // A loop, since a chain may have more steps than the stack has room for.
  const handle = (last: ResultNode): CanvasResult => {
    const line = [last];
    for (let before = last.parent; before !== undefined; before = before.parent) line.push(before);
    let parent: CanvasResult | undefined;
    for (const one of line.slice(1).toReversed()) parent = handleBehind(one, parent);
    return handleBehind(last, parent);
  };
  return handle(node);
}

/** The app of the first signature that has one. */
export function hostOf(signatures: readonly SignatureLike[]): SignatureHost | undefined {
  for (const signature of signatures) {
    const host = hostOfSignature(signature) ?? Canvas.host(signature);
    if (host !== undefined) return host;
  }
  return undefined;
}

/** Makes a canvas of any signature of the wire. Throws ConfigurationError for a type that nobody knows. */
export const createCanvas: CanvasMaker = (wire, host) => new Canvas(wire, host);

/** The same with the types that its maker vouches for; without an app it can be piped, but not sent. */
export function canvasOf<Kind>(wire: WireSignature, members: readonly SignatureLike[]): Kind {
  return new Canvas(wire, hostOf(members)) as unknown as Kind;
}
