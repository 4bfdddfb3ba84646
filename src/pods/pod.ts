/** `direct`: a real sshd in the pod. `proxy`: RunPod's gateway, which gives a terminal and nothing else. */
export type Mode = 'direct' | 'proxy';

/** Where a pod is and who logs in there; what a pasted string, the saved config or the environment name. */
export type Address = {
  host: string;
  port: number;
  user: string;
  /** As it was written (`~` is expanded only at use). Missing: agent and default keys are tried. */
  keyPath?: string;
};

export type Pod = Address & {
  /** The alias in our ssh_config and the name under which the pod is saved: `[A-Za-z0-9._-]{1,64}`. */
  name: string;
  mode: Mode;
};

export const GATEWAY_HOST = 'ssh.runpod.io';

/** The mode that a host implies, until the server itself has answered. */
export function modeOfHost(host: string): Mode {
  return host.toLowerCase() === GATEWAY_HOST ? 'proxy' : 'direct';
}
