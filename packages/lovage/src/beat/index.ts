// Beat: decides when periodic tasks are due and sends them. Comes in: the schedule of an app (settings, addPeriodicTask, what people added
// at run time). Goes out: ordinary task messages. It executes nothing. Several may run at once: one leads, by a lease in the schedule store.

export { type Beat, type BeatOptions, startBeat } from './beat.ts';
export type { StoreChoice } from './open.ts';
export { type BeatProgramOptions, runBeatProgram } from './program.ts';
export { type NewEntry, openSchedule, type ScheduledEntry, type ScheduleHandle } from './schedule.ts';
export { type BeatStep, beatStep } from './step.ts';
