// The table of all commands, in the order in which help lists them.
import type { Command } from '../define.ts';
import { call } from './call.ts';
import { control } from './control.ts';
import { dlq } from './dlq.ts';
import { events } from './events.ts';
import { graph } from './graph.ts';
import { inspect } from './inspect.ts';
import { purge } from './purge.ts';
import { queues } from './queues.ts';
import { result } from './result.ts';
import { status } from './status.ts';
import { worker } from './worker.ts';

export const commands: readonly Command[] = [worker, call, result, events, graph, queues, dlq, purge, status, inspect, control];
