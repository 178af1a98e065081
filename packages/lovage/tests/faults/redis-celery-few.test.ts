// The short runs of the fault scenarios that are seen on few brokers, here on Redis with Celery's unacked entries; the long ones: npm run test:faults.
import { describeFaults } from './harness/suite.ts';

describeFaults(['redis-celery'], 'few');
