import { REDIS_TRAITS, redisHarness } from './redis-harness.ts';
import { describeBroker } from './suite.ts';

describeBroker('redis', () => redisHarness({}), REDIS_TRAITS);
