/** `counted(1, 'file is', 'files are')` is "1 file is": notices are sentences. */
export const counted = (count: number, one: string, many: string): string =>
  `${count} ${count === 1 ? one : many}`;
