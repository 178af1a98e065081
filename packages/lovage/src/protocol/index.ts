// The Celery wire, pure: messages, signatures, result records, exceptions, names. Comes in: what was parsed from the wire or is about
// to be written. Goes out: checked plain data. Nobody else knows a snake_case name.
export { ChainText } from './chain-text.ts';
export {
  type ControlNames,
  type ControlReply,
  type ControlRequest,
  controlNames,
  isAddressed,
  isStale,
  type Matcher,
  parseControlReply,
  parseControlRequest,
  pythonException,
  pythonSet,
  pythonText,
  type ReplyAddress,
  writeControlReply,
  writeControlRequest,
} from './control.ts';
export { createErrorRegistry, type ErrorRegistry, type ErrorTwin } from './error-registry.ts';
export {
  type CallFields,
  type CeleryEvent,
  type CustomEvent,
  type EventEnvelope,
  errorRepr,
  eventGroup,
  eventRoutingKey,
  parseEvent,
  parseEvents,
  sentFields,
  type TaskCancelledEvent,
  type TaskEvent,
  type TaskFailedEvent,
  type TaskReceivedEvent,
  type TaskRejectedEvent,
  type TaskRetriedEvent,
  type TaskRevokedEvent,
  type TaskSentEvent,
  type TaskStartedEvent,
  type TaskSucceededEvent,
  utcOffset,
  type WorkerElectAckEvent,
  type WorkerElectEvent,
  type WorkerEvent,
  type WorkerFields,
  writeEvent,
  writeFields,
} from './event.ts';
export {
  isRejection,
  notRegisteredException,
  OWN_MODULE,
  readException,
  revokedException,
  type WireException,
  wireException,
  writeException,
} from './exceptions.ts';
export { formatTime, type Moment, parseMoment, parseTime } from './moments.ts';
export { groupKey, keyPrefix, originName, resultKey, topicMatches, topicPattern } from './names.ts';
export { type ParsedTask, type ParseTaskOptions, parseTask, type TaskDelivery } from './parse-task.ts';
export { isRecord } from './record.ts';
export type * from './request.ts';
export { parseMeta, type ResultMeta, writeMeta } from './result-meta.ts';
export { parseResultTuple, type ResultNode, type ResultTuple, resultTuple } from './result-tuple.ts';
export { argsRepr, kwargsRepr, listRepr, REPR_MAX_LENGTH, type SafereprOptions, saferepr } from './saferepr.ts';
export type * from './signature.ts';
export { chainSignatures, parseBody, parseSignature } from './task-body.ts';
export { forwardedHeaders, revocableOf, taskIdOf, taskNameOf } from './task-headers.ts';
export { EMPTY_EMBED, writeProtocol1, writeTaskBody, writeTaskHeaders } from './task-message.ts';
export {
  DateTime,
  Decimal,
  dateTimeText,
  Float,
  floatRepr,
  PlainDate,
  PlainTime,
  parseDateTime,
  timeHeader,
  Uuid,
} from './values.ts';
