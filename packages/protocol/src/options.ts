import type { ChannelOptions } from '@grpc/grpc-js';
import { FRAME_BYTES } from './frame.js';

const MIB = 1 << 20;

/**
 * Channel options of every client, trainers first of all. grpc-js's own defaults suit small unary calls;
 * each difference has its reason here. https://grpc.github.io/grpc/core/group__grpc__arg__keys.html names them.
 */
export const CLIENT_OPTIONS = {
  /** Bytes in flight a connection and a stream. At the default of 64 KiB a loopback stream carries a third as much. */
  'grpc-node.flow_control_window': 8 * MIB,
  /**
   * The largest message from a coordinator: a run's record, whose spec and class names grow with the dataset. Frames
   * stay near FRAME_BYTES, but for a first frame's header, a name and a few numbers for each substituted sample.
   */
  'grpc.max_receive_message_length': Math.max(32 * MIB, 4 * FRAME_BYTES),
  /** A peer that vanished without closing (its host died, its process is stopped) is noticed within ten seconds. */
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 5_000,
  /** A service that restarts is met again soon; the default backs off to two minutes. */
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  /** Callers know what may be tried again and when; a retry below them would hide a dead peer. */
  'grpc.enable_retries': 0,
  /** No TXT look-up of a service config in front of each first connection. */
  'grpc.service_config_disable_resolution': 1,
  /** `http_proxy` of a cluster's containers is for the web, not for gigabytes a second between its pods. */
  'grpc.enable_http_proxy': 0,
} as const satisfies ChannelOptions;

/** Server options of coordinator and worker. */
export const SERVER_OPTIONS = {
  /**
   * A trainer whose host died is noticed within half a minute. Patient, because a trainer may hold its event loop for
   * seconds while it computes, and an answer to a ping needs that loop.
   */
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 20_000,
} as const satisfies ChannelOptions;
