// The application: the object that a program makes of Lovage. Comes in: task functions, settings, calls. Goes out: messages on a
// broker, and what workers need to run the tasks. Nothing is opened before it is needed.

export {
  Config,
  type ConfigOptions,
  type LoadOptions,
  type SettingsInput,
  type SettingsObserver,
  type SettingsRecord,
} from './config.ts';
export { type BrokerRole, brokerOptions, brokerUrl, resultUrl } from './connections.ts';
export * from './control/index.ts';
export type { Choice, DeadLetters } from './dead-letters.ts';
export type { AppEvents, LiveCamera, StateOptions } from './events.ts';
export { type AppOrigin, type FindAppOptions, findApp, findAppModule, loadApp, originOf, pickApp } from './loader.ts';
export { Lovage, type LovageParts, type SendTaskOptions, type SignatureOptions } from './lovage.ts';
export { importModule, resolveModule, splitExport } from './modules.ts';
export { findConfigFile, usualPlace } from './places.ts';
export { priorityNumber } from './plan.ts';
export type { PeekOptions, QueueHandle, WaitingTask } from './queue.ts';
export { type Queue, type Queues, topologyOf } from './queues.ts';
export {
  type BeatEntry,
  currentValue,
  lazyValue,
  type MisfirePolicy,
  readEntry,
  type ScheduleEntry,
  storableEntry,
} from './schedule/entry.ts';
export { FIELDS, type FieldValue, readField } from './schedule/field.ts';
export type { PeriodicOptions, PeriodicTask } from './schedule/periodic.ts';
export {
  type ClockedSchedule,
  type CrontabFields,
  type CrontabSchedule,
  type CustomSchedule,
  checkZone,
  clocked,
  crontab,
  every,
  type IntervalSchedule,
  isCustom,
  readSchedule,
  type Schedule,
  type ScheduleLike,
  type SolarEvent,
  type SolarSchedule,
  schedule,
  scheduleText,
  solar,
} from './schedule/schedules.ts';
export { messageGuardOf, type SecurityOptions, sealsOf } from './security.ts';
export * from './settings.ts';
export { isSlotLoading, tellSlot } from './slot.ts';
export { claimEnvironment } from './sources.ts';
export { noUserOptions, type UserOption, type UserOptions, userValues } from './user-options.ts';
