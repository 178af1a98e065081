// What results promise at compile time. Nothing here runs: tsc fails when a line that must not compile does.
import type { AnyResult, AsyncResult, GroupResult, ResultSet } from '../../src/result/index.ts';

declare const num: AsyncResult<number>;
declare const text: AsyncResult<string>;
declare const pair: GroupResult<[number, string]>;
declare const many: GroupResult<number[]>;
declare const nested: GroupResult<[[number, string], number]>;
declare const set: ResultSet<number>;

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_proof: Same<A, B>): void => undefined;

export async function waits(): Promise<void> {
  const one = await num.get();
  same<typeof one, number>(true);
  const either = await num.get({ propagate: false });
  same<typeof either, number | Error>(true);
  const both = await pair.get({ timeout: 1 });
  same<typeof both, [number, string]>(true);
  const places = await pair.get({ propagate: false });
  same<typeof places, [number | Error, string | Error]>(true);
  const list = await many.get();
  same<typeof list, number[]>(true);
  const deep = await nested.get();
  same<typeof deep, [[number, string], number]>(true);
  const all = await set.join();
  same<typeof all, number[]>(true);
  for await (const member of pair) same<typeof member, AnyResult<string | number>>(true);
  const [first, second] = pair.members;
  same<typeof first, AnyResult<number>>(true);
  same<typeof second, AnyResult<string>>(true);
  set.add(num);
  // @ts-expect-error a text in a set of numbers
  set.add(text);
  // @ts-expect-error a result is not its value: get() waits for that
  const wrong: number = num;
  void wrong;
}

// Every result is a result of something unknown.
export const loose: readonly AnyResult[] = [num, text, pair, many, nested];
