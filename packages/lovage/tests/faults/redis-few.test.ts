// The short runs of the fault scenarios that are seen on few brokers, here on Redis; the long ones: npm run test:faults.
import { describeFaults } from './harness/suite.ts';

describeFaults(['redis'], 'few');
