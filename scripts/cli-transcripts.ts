// Runs what docs/cli.md shows of each command, and keeps what was seen; a test holds it. `node scripts/cli-page.ts` puts it into the page.
// Run: node scripts/cli-transcripts.ts

import { record, writeTranscripts } from '../packages/lovage/tests/support/cli/transcripts.ts';
import { ensureBuilt } from '../packages/lovage/tests/support/program.ts';

ensureBuilt();
writeTranscripts(await record());
