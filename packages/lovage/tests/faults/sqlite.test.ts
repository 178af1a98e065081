// The faults on the embedded broker.
import { describeFaults } from './harness/suite.ts';

describeFaults(['sqlite'], 'all');
