// Runs the parsers on broken input for a while, and says what went wrong: a foreign error, a slow answer, a changed prototype.
import { seededRandom } from '../faults/harness/random.ts';
import { isOwn, type Target } from './targets.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Inputs for each parser. */
  readonly count: number;
  /** Milliseconds of processor time in which one input is answered. */
  readonly slow: number;
}

export interface FuzzReport {
  readonly inputs: number;
  /** Each with the seed of its input, which `fuzzOne` repeats. */
  readonly defects: readonly string[];
}

const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype, String.prototype, Map.prototype];
const state = (): string => PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length).join();

/** One input; undefined when all is well. */
export function fuzzOne(target: Target, seed: number, slow: number): string | undefined {
  const before = state();
  const started = process.cpuUsage();
  try {
    target.run(seededRandom(seed));
  } catch (error) {
    if (!isOwn(target, error)) return `${target.name}, seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`;
  }
  const { user, system } = process.cpuUsage(started);
  const took = (user + system) / 1000;
  if (took > slow) return `${target.name}, seed ${seed}: took ${took.toFixed(0)} ms`;
  if (state() !== before || Object.hasOwn(Object.prototype, 'polluted'))
    return `${target.name}, seed ${seed}: a prototype was changed`;
  return undefined;
}

/** All of a parser's inputs. Stops at the tenth defect. */
export function fuzz(target: Target, { seed, count, slow }: FuzzOptions): FuzzReport {
  const defects: string[] = [];
  let inputs = 0;
  for (; inputs < count && defects.length < 10; inputs++) {
    const defect = fuzzOne(target, seed + inputs, slow);
    if (defect !== undefined) defects.push(defect);
  }
  return { inputs, defects };
}
