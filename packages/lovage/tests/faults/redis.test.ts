// The faults on Redis.
import { describeFaults } from './harness/suite.ts';

describeFaults(['redis'], 'all');
