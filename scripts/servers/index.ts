// Private servers for tests, benchmarks and the shell: found or installed, started on free ports below 32768 in a temporary folder,
// killed, stopped and restarted at will, and never left behind (guard.ts), however their owner dies.
export { type RedisCluster, startCluster } from './cluster.ts';
export { type EmulatorServer, installEmulators, startAzure, startDynamo, startS3 } from './emulators.ts';
export { type EtcdServer, startEtcd } from './etcd.ts';
export { findBinary, installPackages } from './install.ts';
export { type MemcachedServer, startMemcached } from './memcached.ts';
export { freePorts } from './ports.ts';
export { type RabbitOptions, type RabbitServer, startRabbit } from './rabbit.ts';
export { type RedisOptions, type RedisServer, startRedis, type TlsFiles } from './redis.ts';
export { type SafeSentinel, type SentinelSet, startSafeSentinel, startSentinel } from './sentinel.ts';
export type { Server } from './server.ts';
export { type SqlServer, startMariadb, startPostgres } from './sql.ts';
export { selfSignedCertificate } from './tls.ts';
