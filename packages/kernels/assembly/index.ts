// The module's exports. Addresses are bytes in linear memory; nothing here allocates or checks a bound.
export function version(): i32 {
  return 1;
}
