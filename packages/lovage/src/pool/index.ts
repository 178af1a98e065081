// Pools: slots in which jobs run, on this event loop, in threads or in processes. Comes in: a Job. Goes out: its Outcome, whatever the task
// did. What runs inside a thread or a process is here as well (inside.ts); the worker brings the program around it.
export { openPool, poolNameOf, poolNames } from './drivers.ts';
export { FRAME, Frame, FrameReader, type FrameType, FrameWriter, type SendFrame, writingTo } from './frames.ts';
export { type ExecuteInside, Inside, type InsideOptions } from './inside.ts';
export {
  FRAMES_FD,
  flagBytes,
  LANE_FLAGS,
  MAX_LINE,
  MAX_RECORD,
  RECORD_MARK,
  type SlotProgram,
  type ThreadData,
  WATCH_FD,
  WATCH_RECORD,
} from './link.ts';
export type * from './request.ts';
export type * from './seam.ts';
export type { EndOutside, Execute, PoolOptions } from './slots.ts';
export { readValue, writeValue } from './wire.ts';
