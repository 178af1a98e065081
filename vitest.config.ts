import { defineConfig } from 'vitest/config';

// One project for each kind of test, so that the quick ones run alone: `npm run test:unit` needs no server.
// Kinds of one turn run together. Most tests of a server wait for it, so more of them run at once than there are processors.
const kinds = {
  unit: { include: ['unit', 'architecture.test.ts'], timeout: 10_000, turn: 0, workers: 2 },
  package: { include: ['package'], timeout: 180_000, turn: 0, workers: 2 },
  conformance: { include: ['conformance'], timeout: 60_000, turn: 1, workers: 3 },
  interop: { include: ['interop'], timeout: 120_000, turn: 1, workers: 3 },
  faults: { include: ['faults'], timeout: 180_000, turn: 2, workers: 4 },
};

export default defineConfig({
  test: {
    pool: 'forks',
    projects: Object.entries(kinds).map(([name, kind]) => ({
      test: {
        name,
        include: kind.include.map((path) => `packages/lovage/tests/${path.endsWith('.ts') ? path : `${path}/**/*.test.ts`}`),
        maxWorkers: kind.workers,
        sequence: { groupOrder: kind.turn },
        testTimeout: kind.timeout,
        hookTimeout: kind.timeout,
        // Unit tests leave nothing in their process: one process for many files is three times as quick.
        isolate: name !== 'unit',
        ...(['unit', 'package'].includes(name) ? {} : { globalSetup: 'packages/lovage/tests/support/servers.ts' }),
      },
    })),
  },
});
