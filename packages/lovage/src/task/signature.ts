// Signatures: a call as immutable data, with what sends it. Nothing here knows chains, groups or chords; the canvas room adds them.

import { isDeepStrictEqual } from 'node:util';
import type { WireSignature } from '../protocol/index.ts';
import type { AsyncResult, EagerResult } from '../result/index.ts';
import { ConfigurationError } from '../util/index.ts';
import type { ExecuteEnvironment } from './environment.ts';
import type { ErasedSignature, MergeOptions, ReplaceParts, Signature } from './flow.ts';
import { checkCallOptions } from './option-names.ts';
import type { ApplyOptions, Call, CallOptions, SignatureLike } from './options.ts';
import type { StampOptions, Stamps, StampVisitor } from './stamps.ts';
import { linkList, mergeOptions, readOptions, writeOptions } from './wire-options.ts';

/** What sends a signature; task.ts and remote.ts give it. */
export interface SignatureHost {
  environment(): ExecuteEnvironment;
  send(call: Call): Promise<AsyncResult<unknown>>;
  apply(call: Call, options: ApplyOptions | undefined): Promise<EagerResult<unknown>>;
  /** Makes canvases; without it nothing can be piped or stamped. */
  readonly canvas?: CanvasMaker;
}

/** Makes a signature of any kind out of its wire form; the canvas room does. */
export type CanvasMaker = (wire: WireSignature, host: SignatureHost) => ErasedSignature;

/** A signature's data. */
export interface SignatureFields {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  readonly immutable: boolean;
}

/** The one class behind all plain signatures; its types are erased. */
class PlainSignature implements ErasedSignature {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: Readonly<CallOptions>;
  readonly immutable: boolean;
  readonly #host: SignatureHost;

  constructor(fields: SignatureFields, host: SignatureHost) {
    this.task = fields.task;
    this.args = Object.freeze([...fields.args]);
    this.kwargs = Object.freeze({ ...fields.kwargs });
    this.options = Object.freeze({ ...fields.options });
    this.immutable = fields.immutable;
    this.#host = host;
    Object.freeze(this);
  }

  set(options: CallOptions): PlainSignature {
    checkCallOptions(this.task, options);
    return this.#copy({ options: { ...this.options, ...options } });
  }

  setAll(options: CallOptions): PlainSignature {
    return this.set(options);
  }

  link(next: SignatureLike): PlainSignature {
    return this.#copy({ options: { ...this.options, link: added(this.options.link, next) } });
  }

  linkError(next: SignatureLike): PlainSignature {
    return this.#copy({ options: { ...this.options, linkError: added(this.options.linkError, next) } });
  }

  with(...missing: readonly unknown[]): PlainSignature {
    return this.immutable ? this : this.#copy({ args: [...missing, ...this.args] });
  }

  delay(...missing: readonly unknown[]): Promise<AsyncResult<unknown>> {
    return this.applyAsync(missing);
  }

  async applyAsync(missing: readonly unknown[], options?: CallOptions): Promise<AsyncResult<unknown>> {
    if (options !== undefined) checkCallOptions(this.task, options);
    return this.#host.send(this.#call(missing, options));
  }

  async apply(missing: readonly unknown[], options?: ApplyOptions): Promise<EagerResult<unknown>> {
    return this.#host.apply(this.#call(missing, undefined), options);
  }

  onError(next: SignatureLike): PlainSignature {
    return this.linkError(next);
  }

  setImmutable(immutable: boolean): PlainSignature {
    return this.#copy({ immutable });
  }

  pipe(next: SignatureLike): ErasedSignature {
    return this.#canvas().pipe(next);
  }

  merge(args: readonly unknown[], options?: MergeOptions): ErasedSignature {
    return this.#canvas().merge(args, options);
  }

  replace({ args = this.args, kwargs = this.kwargs, options = this.options }: ReplaceParts): PlainSignature {
    checkCallOptions(this.task, options);
    return this.#copy({ args, kwargs, options });
  }

  stamp(stamps: Stamps | StampVisitor, options?: StampOptions): ErasedSignature {
    return this.#canvas().stamp(stamps, options);
  }

  freeze(id?: string): ErasedSignature {
    return this.#canvas().freeze(id);
  }

  flattenLinks(): readonly SignatureLike[] {
    return this.#canvas().flattenLinks();
  }

  toString(): string {
    return this.#host.canvas === undefined ? this.task : this.#canvas().toString();
  }

  #canvas(): ErasedSignature {
    const { canvas } = this.#host;
    if (canvas !== undefined) return canvas(this.toWire(), this.#host);
    throw new ConfigurationError(`The signature of '${this.task}' has no app that can make a canvas of it.`);
  }

  /** What sends it. */
  static host(signature: object): SignatureHost | undefined {
    return #host in signature ? signature.#host : undefined;
  }

  toWire(): WireSignature {
    const { task, args, kwargs, immutable } = this;
    return { task, args, kwargs, options: writeOptions(this.#wireOptions()), subtask_type: null, immutable };
  }

  /** Which end of the scale is urgent is the broker's affair, and whoever reads the signature cannot ask ours. */
  #wireOptions(): CallOptions {
    if (typeof this.options.priority !== 'string') return this.options;
    const priority = this.#host.environment().priorityOf?.(this.#call([], undefined));
    return priority === undefined ? this.options : { ...this.options, priority };
  }

  toJSON(): WireSignature {
    return this.toWire();
  }

  #call(missing: readonly unknown[], given: CallOptions | undefined): Call {
    const args = this.immutable ? this.args : [...missing, ...this.args];
    const definition = this.#host.environment().registry.find(this.task);
    const call = { task: this.task, args, kwargs: this.kwargs, options: mergeOptions(this.options, given) };
    return definition === undefined ? call : { ...call, definition };
  }

  #copy(changed: Partial<SignatureFields>): PlainSignature {
    const { task, args, kwargs, options, immutable } = this;
    return new PlainSignature({ task, args, kwargs, options, immutable, ...changed }, this.#host);
  }
}

/** What sends a plain signature; undefined for what is none. */
export function hostOfSignature(signature: object): SignatureHost | undefined {
  return PlainSignature.host(signature);
}

/** A link that is there already is not added twice. */
function added(links: CallOptions['link'], next: SignatureLike): readonly SignatureLike[] {
  const list = linkList(links);
  const wire = next.toWire();
  return list.some((known) => isDeepStrictEqual(known.toWire(), wire)) ? list : [...list, next];
}

/** A signature, with the types that its maker vouches for. */
export function createSignature<Kind>(fields: SignatureFields, host: SignatureHost): Kind {
  return new PlainSignature(fields, host) as Kind;
}

/** A signature that came over the wire or out of a store, as one that can be sent. */
export function signatureFromWire(wire: WireSignature, host: SignatureHost): Signature<readonly unknown[], unknown> {
  if (wire.subtask_type !== null && wire.subtask_type !== undefined) {
    throw new ConfigurationError(`The signature of ${wire.task} is a ${wire.subtask_type}; only a plain task can be read here.`);
  }
  const { task, args, kwargs, immutable } = wire;
  return createSignature({ task, args, kwargs, options: readOptions(wire.options), immutable }, host);
}
