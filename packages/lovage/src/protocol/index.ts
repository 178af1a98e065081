// The Celery wire, pure: messages, signatures, result records, exceptions, names. Comes in: what was parsed from the wire or is about
// to be written. Goes out: checked plain data. Nobody else knows a snake_case name.
export type * from './request.ts';
export type * from './signature.ts';
