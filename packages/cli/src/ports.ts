/** Where `serve` listens unless told otherwise. */
export const DEFAULT_PORT = 7400;
export const DEFAULT_HTTP_PORT = 7401;
