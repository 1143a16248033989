/** Said by every first message of a trainer and every worker's record; parts of another version are refused. */
export const PROTOCOL_VERSION = 1;
