// The short runs of the fault scenarios that are seen on few brokers, here the embedded one; the long ones: npm run test:faults.
import { describeFaults } from './harness/suite.ts';

describeFaults(['sqlite'], 'few');
