// From a call to a message: ids, headers, properties, encoded body. Pure but for ids and the clock; nothing is sent here.
import { hostname } from 'node:os';
import type { MessageProperties, Outgoing } from '../broker/index.ts';
import {
  argsRepr,
  chainSignatures,
  EMPTY_EMBED,
  type Embed,
  kwargsRepr,
  originName,
  type TaskMessageFields,
  type WireSignature,
  writeProtocol1,
  writeTaskBody,
  writeTaskHeaders,
} from '../protocol/index.ts';
import { type Encoded, type Serialization, writeHeaderJson } from '../serialization/index.ts';
import type { Call, CallOptions, PreparedCall, SignatureLike } from '../task/index.ts';
import { ArgumentsError, type Clock, taskUuid } from '../util/index.ts';
import type { Plan } from './plan.ts';
import type { State } from './state.ts';
import { type Differences, fillHeaders, fillText, type HeaderTemplate, makeTemplate } from './template.ts';
import { etaOf, expiryOf, type Moment } from './times.ts';

/** What preparing needs of the app. */
export interface PrepareHost {
  readonly state: State;
  readonly serialization: Serialization;
  readonly clock: Clock;
  /** Name of this process's reply queue. */
  readonly oid: string;
  plan(call: Call): Plan;
}

/** Asked once: the host's name does not change while a process lives. */
const ORIGIN = originName(process.pid, hostname());
const NO_STAMPS: Readonly<Record<string, unknown>> = Object.freeze({});

/** The message of one call. Throws EncodeError, ConfigurationError, ArgumentsError, QueueNotFoundError. */
export function prepareCall(given: Call, host: PrepareHost): PreparedCall {
  const { settings } = host.state;
  const call = settings.taskProtocol === 1 ? withChain(given) : given;
  checkShape(call);
  const plan = host.plan(call);
  const id = call.options.taskId ?? taskUuid();
  const eta = etaOf(call.task, call.options, host.clock);
  const expiry = expiryOf(call.task, plan.expires, host.clock);
  const fields = fieldsOf(call, id, plan, host.state, eta, expiry?.text);
  const protocol1 = settings.taskProtocol === 1;
  const value = protocol1
    ? writeProtocol1(fields, { utc: settings.enableUtc })
    : writeTaskBody(fields.args, fields.kwargs, fields.embed);
  const encoded = encodedBody(value, call, plan, host);
  const headers = protocol1 ? { ...fields.headers } : writeHeaders(fields);
  if (encoded.compression !== undefined) headers.compression = encoded.compression;
  const message: Outgoing = {
    exchange: plan.exchange,
    routingKey: plan.routingKey,
    headers,
    properties: propertiesOf(call.options, id, plan, encoded, isWaitedFor(call) ? undefined : expiry?.expiration, host.oid),
    body: encoded.body,
    ...(eta === undefined ? {} : { dueAt: eta.at }),
  };
  const { declare, headers: own, properties, stamps } = call.options;
  // Said at the call: a driver would fail the whole batch, or its connection.
  if (own !== undefined || properties !== undefined || stamps !== undefined)
    writeHeaderJson({ headers: own, properties, stamps });
  return {
    id,
    message,
    queue: declare === undefined ? plan.queue?.name : undefined,
    ...(declare === undefined ? {} : { declare }),
    ignoreResult: fields.ignoreResult ?? settings.taskIgnoreResult,
  };
}

/** A chain that is text stays so; protocol 1 has none, and its writer was given the signatures. */
function encodedBody(value: unknown, { behind }: Call, plan: Plan, { serialization }: PrepareHost): Encoded {
  if (behind === undefined || !Array.isArray(value)) return serialization.encode(value, plan.serializer, plan.compression);
  return serialization.encodeBody(value, behind, plan.serializer, plan.compression);
}

/** The same call with the signatures of its chain: for whoever looks at calls. */
export function withChain(call: Call): Call {
  const { behind, ...rest } = call;
  if (behind === undefined) return call;
  return { ...rest, options: { ...call.options, chain: chainSignatures(behind) } };
}

/** Templates by plan; null where the headers of a plan's calls differ in more. */
const templates = new WeakMap<Plan, HeaderTemplate | null>();

/**
 * The same for a call that has nothing but arguments, ids and what follows it, in a fifth of the time; undefined for all others. For
 * whoever sends the message as it is: the text of its headers is made already.
 */
export function prepareQuickly(call: Call, host: PrepareHost): PreparedCall | undefined {
  const { options, args, kwargs } = call;
  for (const name in options) if (!QUICK.has(name)) return undefined;
  // A result has no handle without an id; the careful way says so.
  if (options.taskId === '') return undefined;
  checkShape(call);
  const plan = host.plan(call);
  const template = plan.shared ? templateOf(plan, call, host.state) : null;
  if (template === null) return undefined;
  const id = options.taskId ?? taskUuid();
  const value = writeTaskBody(args, kwargs, embedOf(options));
  const { body, contentType, contentEncoding } = encodedBody(value, call, plan, host);
  const differences = {
    id,
    group: options.groupId,
    groupIndex: options.groupIndex,
    rootId: options.rootId ?? id,
    parentId: options.parentId,
    argsRepr: argsRepr(args),
    kwargsRepr: kwargsRepr(kwargs),
  };
  const replyTo = replyToOf(options, host.oid);
  const properties = { contentType, contentEncoding, correlationId: id, replyTo, deliveryMode: plan.deliveryMode };
  const message: Outgoing = {
    exchange: plan.exchange,
    routingKey: plan.routingKey,
    headers: fillHeaders(template, differences),
    headersText: fillText(template, differences),
    properties: plan.priority === undefined ? properties : { ...properties, priority: plan.priority },
    body,
  };
  return {
    id,
    message,
    queue: plan.queue?.name,
    ignoreResult: Boolean(template.headers.ignore_result ?? host.state.settings.taskIgnoreResult),
  };
}

/** Options that a call of a template may have: a running task gives them to those that it sends, and a canvas to its members. */
const QUICK: ReadonlySet<string> = new Set([
  ...['taskId', 'rootId', 'parentId', 'replyTo', 'groupId', 'groupIndex'],
  // These stand in the body alone.
  ...['chord', 'chain', 'link', 'linkError'],
]);

function templateOf(plan: Plan, call: Call, state: State): HeaderTemplate | null {
  const known = templates.get(plan);
  if (known !== undefined) return known;
  const named = call.definition !== undefined && state.effective(call.definition).shadowName !== undefined;
  const plain = !named && state.settings.taskProtocol === 2 && plan.compression === undefined && (plan.expires ?? null) === null;
  const made = plain ? makeTemplate((same) => writeHeaders(templateFields(call, same, plan, state))) : undefined;
  templates.set(plan, made ?? null);
  return made ?? null;
}

function templateFields(
  call: Call,
  { id, group, groupIndex, parentId, ...rest }: Differences,
  plan: Plan,
  state: State,
): TaskMessageFields {
  const options = {
    ...rest,
    ...(parentId === undefined ? {} : { parentId }),
    ...(group === undefined ? {} : { groupId: group }),
    ...(groupIndex === undefined ? {} : { groupIndex }),
  };
  return fieldsOf({ ...call, args: [], kwargs: {}, options }, id, plan, state, undefined, undefined);
}

/** Calls come from untyped code too. */
function checkShape({ task, args, kwargs }: Call): void {
  if (typeof task !== 'string' || task === '') throw new ArgumentsError('A call needs the name of a task; got none.');
  if (!Array.isArray(args)) throw new ArgumentsError(`The args of a call of '${task}' must be an array, not ${typeof args}.`);
  if (typeof kwargs !== 'object' || kwargs === null || Array.isArray(kwargs)) {
    throw new ArgumentsError(`The kwargs of a call of '${task}' must be an object of keyword arguments.`);
  }
}

/** A task that is not known here decides by itself about its result: `null`, where Celery's producers would overrule it with false. */
function writeHeaders(fields: TaskMessageFields): Record<string, unknown> {
  const headers = writeTaskHeaders(fields);
  if (fields.ignoreResult === undefined && !Object.hasOwn(fields.headers, 'ignore_result')) headers.ignore_result = null;
  return headers;
}

function fieldsOf(
  call: Call,
  id: string,
  plan: Plan,
  state: State,
  eta: Moment | undefined,
  expires: string | undefined,
): TaskMessageFields {
  const { args, kwargs, options, definition } = call;
  const effective = definition === undefined ? undefined : state.effective(definition);
  return {
    id,
    task: call.task,
    lang: 'js',
    shadow: options.shadow ?? effective?.shadowName?.(args, kwargs),
    eta: eta?.text,
    expires,
    group: options.groupId,
    groupIndex: options.groupIndex,
    retries: options.retries ?? 0,
    timeLimit: plan.timeLimit,
    softTimeLimit: plan.softTimeLimit,
    rootId: options.rootId ?? id,
    parentId: options.parentId,
    argsRepr: options.argsRepr ?? argsRepr(args),
    kwargsRepr: options.kwargsRepr ?? kwargsRepr(kwargs),
    origin: options.origin ?? ORIGIN,
    ignoreResult: options.ignoreResult ?? effective?.ignoreResult,
    replacedTaskNesting: options.replacedTaskNesting ?? 0,
    stampedHeaders: options.stampedHeaders ?? (options.stamps === undefined ? undefined : Object.keys(options.stamps)),
    stamps: options.stamps ?? NO_STAMPS,
    headers: options.headers ?? NO_STAMPS,
    args,
    kwargs,
    embed: embedOf(options),
  };
}

function embedOf(options: Readonly<CallOptions>): Embed {
  const { link, linkError, chain, chord } = options;
  if (link === undefined && linkError === undefined && chain === undefined && chord === undefined) return EMPTY_EMBED;
  return { callbacks: signatures(link), errbacks: signatures(linkError), chain: chain ?? null, chord: chord ?? null };
}

function signatures(links: SignatureLike | readonly SignatureLike[] | undefined): readonly WireSignature[] | null {
  if (links === undefined) return null;
  const list = 'toWire' in links ? [links] : links;
  return list.length === 0 ? null : list.map((signature) => signature.toWire());
}

const replyToOf = ({ replyTo }: CallOptions, oid: string): string => (replyTo === undefined || replyTo === '' ? oid : replyTo);

/** RabbitMQ drops a message when its time is over and tells nobody: where a chord or further steps wait for it, the worker is to end it. */
const isWaitedFor = ({ options, behind }: Call): boolean =>
  behind !== undefined || isThere(options.chord) || (options.chain?.length ?? 0) > 0;
const isThere = (value: unknown): boolean => value !== undefined && value !== null;

function propertiesOf(
  options: Readonly<CallOptions>,
  id: string,
  plan: Plan,
  encoded: Encoded,
  expiration: string | undefined,
  oid: string,
): MessageProperties {
  return {
    contentType: encoded.contentType,
    contentEncoding: encoded.contentEncoding,
    correlationId: id,
    replyTo: replyToOf(options, oid),
    deliveryMode: plan.deliveryMode,
    ...(plan.priority === undefined ? {} : { priority: plan.priority }),
    ...(expiration === undefined ? {} : { expiration }),
    ...(options.properties === undefined ? {} : { extra: options.properties }),
  };
}
