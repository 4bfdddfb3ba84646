/** The lowest Node that we run on; this file comes first, before anything that an older one lacks. */
const LOWEST = 20;

if (Number(process.versions.node.split('.')[0]) < LOWEST) {
  process.stderr.write(`runpod-ssh-mcp needs Node ${LOWEST} or newer; this is ${process.versions.node}.\n`);
  process.exit(1);
}
