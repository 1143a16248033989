/**
 * What every process needs and no domain owns: clock, configuration from the environment, logs, metrics,
 * shutdown. Nothing here knows of runs, chunks or pixels.
 */
export { type Access, type AccessOptions, digestOf, OPEN_ACCESS, openAccess } from './access/access.js';
export { type NewToken, newToken } from './access/new-token.js';
export {
  ALL_OWNERS,
  DEFAULT_OWNER,
  EVERYBODY,
  NO_LIMITS,
  type OwnerLimits,
  ownerFor,
  type Principal,
  type Role,
  requireOwnerName,
} from './access/principal.js';
export { ServerCertificates } from './certificates.js';
export { type Clock, sleep, systemClock, type Timer } from './clock.js';
export { type ConfigSchema, configTable, configVariables, loadConfig, type VariableInfo } from './config.js';
export { DEFAULT_GRPC_LIMITS, GRPC_LIMITS, type GrpcLimits } from './grpc-limits.js';
export type { HttpLimits } from './http/limits.js';
export { parseJson } from './json.js';
export { LimitMetrics } from './limit-metrics.js';
export { createLogger, LOG_LEVELS, type Logger, type LogLevel, type LogOptions } from './log.js';
export { createRegistry, exportRedis } from './metrics.js';
export { Outage } from './outage.js';
export { freePort, requireFreePort } from './ports.js';
export { type Randomness, systemRandomness } from './randomness.js';
export { redactUrl } from './redact.js';
export { type RedisAccess, redisAccess, redisAddress } from './redis-access.js';
export { defaultThreads, type Resources, type ResourcesOptions, readResources } from './resources.js';
export {
  type ClientSecurity,
  clientSecurity,
  loadSecurity,
  OPEN,
  peerSecurity,
  type ServerSecurity,
  serverSecurity,
  serverSecurityVariables,
  type TlsOptions,
  tokenInClear,
  warnIfExposed,
} from './security.js';
export { OTHERS, Series, type SeriesOptions } from './series.js';
export {
  defaultCacheFolder,
  type LimitTable,
  limitsOf,
  limitVariables,
  loadTransportLimits,
  serviceVariables,
  transportLimits,
} from './service-variables.js';
export { type ProcessLike, Shutdown, type ShutdownOptions } from './shutdown.js';
export {
  type Attributes,
  openTracing,
  type Span,
  type SpanOptions,
  type Tracer,
  type Tracing,
  type TracingOptions,
} from './tracing.js';
export {
  bytesVariable,
  choiceVariable,
  durationVariable,
  flagVariable,
  integerVariable,
  listVariable,
  portVariable,
  secretVariable,
  textVariable,
  urlVariable,
} from './variables.js';
export { VERSION } from './version.js';
export { Watchdog } from './watchdog.js';
