// The whole suite again with Celery's `unacked` entries for what is in flight.
import { REDIS_TRAITS, redisHarness } from './redis-harness.ts';
import { describeBroker } from './suite.ts';

describeBroker('redis, in flight as Celery keeps it', () => redisHarness({ inFlight: 'celery' }), {
  ...REDIS_TRAITS,
  handsOn: false,
});
