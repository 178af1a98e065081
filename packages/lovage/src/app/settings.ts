// Settings: the table (settings/table.ts and its parts) and everything made from it. Called by config.ts and by the docs script.
export { contradiction } from './settings/contradictions.ts';
export { convert, isNullable } from './settings/convert.ts';
export type { SettingKind, SettingRow, SettingRows } from './settings/row.ts';
export type {
  Annotated,
  Annotation,
  Annotations,
  MissingQueue,
  NamedQueue,
  PublishRetryPolicy,
  QueueList,
  QueueOptions,
  Route,
  RouteFunction,
  RouteQuestion,
  Router,
  Routes,
} from './settings/shapes.ts';
export {
  celeryName,
  effectNote,
  environmentName,
  idleSettings,
  settingName,
  settingOfEnvironment,
  settingParts,
  settingsTable,
  snakeCase,
} from './settings/table.ts';
export type { Settings } from './settings/types.ts';
