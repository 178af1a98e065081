// The short run of the fuzzer, always the same; `npm run test:fuzz` is the long one, with a seed of its own each time. `FUZZ_SEED` repeats it.
import { expect, test } from 'vitest';
import { fuzz } from '../../fuzz/fuzz.ts';
import { targets } from '../../fuzz/targets.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_129);

test.each(targets)('$name: broken input is answered or refused, at once', (target) => {
  const { defects } = fuzz(target, { seed, count: 20, slow: 10_000 });
  expect(defects, `FUZZ_SEED=${seed} repeats it`).toEqual([]);
});
