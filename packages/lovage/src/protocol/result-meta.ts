// The record of a task's state as result stores keep it, in Celery's keys and order.
import { DecodeError } from '../util/index.ts';
import { isRecord, kindOf, own } from './record.ts';
import { parseResultTuple, type ResultNode, resultTuple } from './result-tuple.ts';

/** What is known of how a task stands. `name` to `queue` are there with the setting resultExtended only. */
export interface ResultMeta {
  readonly taskId: string;
  readonly status: string;
  /** The value; the exception (see exceptions.ts) for FAILURE, RETRY and REVOKED; what the task said for other states. */
  readonly result: unknown;
  readonly traceback?: string | undefined;
  /** Results of tasks sent by this one; undefined when it was written without a request. */
  readonly children?: readonly ResultNode[] | undefined;
  /** ISO 8601, in ready states. */
  readonly dateDone?: string | undefined;
  readonly groupId?: string | undefined;
  readonly parentId?: string | undefined;
  readonly name?: string | undefined;
  readonly args?: readonly unknown[] | undefined;
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined;
  readonly worker?: string | undefined;
  readonly retries?: number | undefined;
  /** The routing key that it came by. */
  readonly queue?: string | undefined;
  readonly stampedHeaders?: readonly string[] | undefined;
  readonly stamps?: Readonly<Record<string, unknown>> | undefined;
}

function isExtended(meta: ResultMeta): boolean {
  return meta.name !== undefined || meta.args !== undefined || meta.worker !== undefined || meta.queue !== undefined;
}

function extendedPart(meta: ResultMeta): Record<string, unknown> {
  const { name, args, kwargs, worker, retries, queue, stampedHeaders } = meta;
  const part = { name, args, kwargs, worker, retries, queue };
  const filled = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, value ?? null]));
  return stampedHeaders === undefined ? filled : { ...filled, stamped_headers: stampedHeaders, ...meta.stamps };
}

/** The record as it is stored. */
export function writeMeta(meta: ResultMeta): Record<string, unknown> {
  return {
    status: meta.status,
    // A task that returns nothing returned None.
    result: meta.result === undefined ? null : meta.result,
    traceback: meta.traceback ?? null,
    children: meta.children?.map((child) => resultTuple(child)) ?? null,
    date_done: meta.dateDone ?? null,
    ...(meta.groupId === undefined ? {} : { group_id: meta.groupId }),
    ...(meta.parentId === undefined ? {} : { parent_id: meta.parentId }),
    ...(isExtended(meta) ? extendedPart(meta) : {}),
    task_id: meta.taskId,
  };
}

type Wire = Readonly<Record<string, unknown>>;

function text(wire: Wire, key: string): string | undefined {
  const value = own(wire, key);
  return typeof value === 'string' ? value : undefined;
}

/** Children that are no result tuples are left out: they are for walking, and one bad branch must not hide the result. */
function childrenOf(wire: Wire): readonly ResultNode[] | undefined {
  const children = own(wire, 'children');
  if (!Array.isArray(children)) return undefined;
  return children.flatMap((child) => {
    try {
      return [parseResultTuple(child)];
    } catch {
      return [];
    }
  });
}

/** date_done is text in JSON; other serializers may bring a Date. */
function dateOf(wire: Wire): string | undefined {
  const value = own(wire, 'date_done');
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : text(wire, 'date_done');
}

function stampsOf(wire: Wire): Pick<ResultMeta, 'stampedHeaders' | 'stamps'> {
  const listed = own(wire, 'stamped_headers');
  if (!Array.isArray(listed)) return {};
  const stampedHeaders = listed.filter((name): name is string => typeof name === 'string');
  const stamps = Object.fromEntries(stampedHeaders.filter((name) => Object.hasOwn(wire, name)).map((name) => [name, wire[name]]));
  return { stampedHeaders, stamps };
}

/** The record that a result store held. `taskId` fills in for records that do not name their own. Throws DecodeError. */
export function parseMeta(value: unknown, taskId?: string): ResultMeta {
  if (!isRecord(value)) throw new DecodeError(`A result record is a mapping, not ${kindOf(value)}`);
  const status = text(value, 'status');
  const id = text(value, 'task_id') ?? taskId;
  if (status === undefined || id === undefined)
    throw new DecodeError(`A result record has no '${status === undefined ? 'status' : 'task_id'}'`);
  const args = own(value, 'args');
  const kwargs = own(value, 'kwargs');
  const retries = own(value, 'retries');
  return {
    taskId: id,
    status,
    result: own(value, 'result') ?? null,
    traceback: text(value, 'traceback'),
    children: childrenOf(value),
    dateDone: dateOf(value),
    groupId: text(value, 'group_id'),
    parentId: text(value, 'parent_id'),
    name: text(value, 'name'),
    args: Array.isArray(args) ? (args as unknown[]) : undefined,
    kwargs: isRecord(kwargs) ? kwargs : undefined,
    worker: text(value, 'worker'),
    retries: typeof retries === 'number' ? retries : undefined,
    queue: text(value, 'queue'),
    ...stampsOf(value),
  };
}
