// Remote control as a client has it, and what worker and command line need of it.
export type * from './ask.ts';
export * from './commands.ts';
export * from './control.ts';
export { Inspect } from './inspect.ts';
export { createMailbox, type Mailbox } from './mailbox.ts';
export { isAboutPauses, tellPauses } from './pauses.ts';
export { rememberingRevokes } from './remember.ts';
export type * from './replies.ts';
export * from './topology.ts';
