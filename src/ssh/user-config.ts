import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { checkedHost, checkedPort, checkedUser } from '../pods/address-rules.ts';
import type { Address } from '../pods/pod.ts';
import { type EffectiveConfig, effectiveConfig } from './effective-config.ts';

/** What we take over from the user's own ssh configuration, in ssh_config's own notation (`~`, tokens). */
export type UserSettings = {
  identityAgent?: string;
  certificateFiles: string[];
  /** From here to the pod: the first is reached directly, each other one through the one before it. */
  jumpHosts: JumpHost[];
  /** What ssh said when it could not read the user's configuration; then nothing was taken over. */
  problem?: string;
};

export type JumpHost = {
  host: string;
  port: number;
  user: string;
  identityFiles: string[];
  identitiesOnly: boolean;
  identityAgent?: string;
  certificateFiles: string[];
  proxyCommand?: string;
  hostKeyAlias?: string;
  hostKeyMustBeKnown: boolean;
  knownHostsFiles: string[];
};

type Source = {
  /** The environment of ssh, see `childEnvironment`. */
  env: Record<string, string>;
  /** Instead of the user's own configuration. */
  configFile?: string;
};

type Hop = { host: string; user?: string; port?: number };

const MAX_JUMPS = 8;

/** The user's configuration can't be used; why is for people to read. */
class NotUsable extends Error {}

/**
 * Asks ssh what the user's own configuration says of agent, jump hosts and certificates for an address.
 * Nothing else of it is to leak into our entries. Fails with `bad-input` and
 * `no-ssh`; a broken configuration gives `problem`.
 */
export async function askUserConfig({ host, user, port }: Address, source: Source): Promise<UserSettings> {
  try {
    const address = { host: checkedHost(host), user: checkedUser(user), port: checkedPort(port) };
    const config = await ask(address, source);
    return { ...agentAndCertificates(config), jumpHosts: await jumpsIn(config, source, 0) };
  } catch (error) {
    if (!(error instanceof NotUsable)) throw error;
    return { certificateFiles: [], jumpHosts: [], problem: error.message };
  }
}

/** As in ssh: of a list of jump hosts, the first one's own `ProxyJump` counts, that of the others doesn't. */
async function jumpsIn(config: EffectiveConfig, source: Source, depth: number): Promise<JumpHost[]> {
  const [first, ...others] = parseProxyJump(config.get('proxyjump')?.[0]);
  if (first === undefined) return [];
  if (depth === MAX_JUMPS) throw new NotUsable('its ProxyJump entries lead in a circle');
  const nearest = await ask(first, source);
  const jumps = [...(await jumpsIn(nearest, source, depth + 1)), jumpHost(nearest, first)];
  for (const hop of others) jumps.push(jumpHost(await ask(hop, source), hop));
  return jumps;
}

async function ask(hop: Hop, source: Source): Promise<EffectiveConfig> {
  const answer = await effectiveConfig(hop.host, { ...source, ...hop });
  if ('rejected' in answer) throw new NotUsable(answer.rejected);
  return answer.config;
}

/** `[user@]host[:port]` or `ssh://…`, several with commas between them. */
export function parseProxyJump(value: string | undefined): Hop[] {
  if (value === undefined || value.toLowerCase() === 'none') return [];
  return value.split(',').map((text) => {
    const parts = /^(?:ssh:\/\/)?(?:(.*)@)?(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?\/?$/.exec(text.trim());
    const host = parts?.[2] ?? parts?.[3];
    if (!parts || host === undefined) throw new NotUsable(`its ProxyJump ${value} is not understood`);
    const hop: Hop = { host };
    if (parts[1] !== undefined) hop.user = parts[1];
    if (parts[4] !== undefined) hop.port = Number(parts[4]);
    return hop;
  });
}

function jumpHost(config: EffectiveConfig, hop: Hop): JumpHost {
  const proxyCommand = config.get('proxycommand')?.[0];
  const hostKeyAlias = config.get('hostkeyalias')?.[0];
  const port = Number(config.get('port')?.[0] ?? '22');
  return {
    host: config.get('hostname')?.[0] ?? hop.host,
    port,
    user: config.get('user')?.[0] ?? userInfo().username,
    identityFiles: (config.get('identityfile') ?? []).filter(isThereOrChosen),
    identitiesOnly: config.get('identitiesonly')?.[0] === 'yes',
    ...agentAndCertificates(config),
    ...(proxyCommand === undefined || proxyCommand === 'none' ? {} : { proxyCommand }),
    ...(hostKeyAlias === undefined || hostKeyAlias === 'none' ? {} : { hostKeyAlias }),
    hostKeyMustBeKnown: ['yes', 'true'].includes(config.get('stricthostkeychecking')?.[0] ?? ''),
    // ssh -G prints them unquoted: of a path with a blank in it, pieces are left, and its keys aren't known then.
    knownHostsFiles: (config.get('userknownhostsfile')?.[0] ?? '')
      .split(' ')
      .filter((path) => /^[/~]/.test(path) && !path.includes('${')),
  };
}

function agentAndCertificates(config: EffectiveConfig): {
  identityAgent?: string;
  certificateFiles: string[];
} {
  const agent = config.get('identityagent')?.[0];
  const certificateFiles = (config.get('certificatefile') ?? []).filter((path) => path !== 'none');
  // `SSH_AUTH_SOCK` stands for the default; `none` is the user's wish to use no agent.
  return agent === undefined || agent === 'SSH_AUTH_SOCK'
    ? { certificateFiles }
    : { identityAgent: agent, certificateFiles };
}

/** ssh -G lists its default keys like chosen ones. Written out they would count as chosen, and be complained of. */
function isThereOrChosen(identityFile: string): boolean {
  const name = /^~\/(\.ssh\/id_[a-z0-9_]+)$/.exec(identityFile)?.[1];
  return name === undefined || existsSync(join(userInfo().homedir, name));
}
