/** Names in a folder, for programs on the pod that read them with `xargs -0`: none of them looks like `-`, for stdin. */
export function nameList(paths: readonly Buffer[]): Buffer {
  return Buffer.concat(paths.flatMap((path) => [Buffer.from('./'), path, Buffer.from([0])]));
}
