import { randomUUID } from 'node:crypto';
import { describeBackend } from './describe-backend.ts';
import { optionsFor } from './harness.ts';

const url = `memory://${randomUUID()}`;
describeBackend('memory', { options: () => optionsFor(url) });
