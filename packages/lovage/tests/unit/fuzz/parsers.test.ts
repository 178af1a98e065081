// The short run of the fuzzer; `npm run test:fuzz` is the long one. `FUZZ_SEED` repeats a run.
import { expect, test } from 'vitest';
import { fuzz } from '../../fuzz/fuzz.ts';
import { targets } from '../../fuzz/targets.ts';

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000_000);

test.each(targets)('$name: broken input is answered or refused, at once', (target) => {
  const { defects } = fuzz(target, { seed, count: 40, slow: 1500 });
  expect(defects, `FUZZ_SEED=${seed} repeats it`).toEqual([]);
});
