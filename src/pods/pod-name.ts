import { type Address, modeOfHost } from './pod.ts';

/** Whether a text can be the name of a pod: it becomes an alias in our ssh_config and a key in the saved file. */
export function isPodName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(text);
}

/**
 * The name for a pod that was given none: the pod's id where the gateway's login tells it (`<id>-<suffix>`),
 * else the suggested name if it can be one, else `pod-<host>-<port>`.
 */
export function nameFor(address: Address, suggestedName?: string): string {
  if (modeOfHost(address.host) === 'proxy' && address.user !== 'root') {
    const id = address.user.replace(/-[^-]*$/, '');
    if (isPodName(id)) return id;
  }
  if (suggestedName !== undefined && isPodName(suggestedName)) return suggestedName;
  // 64 less `pod-`, `-` and five digits.
  const host = address.host.replace(/[^A-Za-z0-9.-]/g, '-').slice(0, 54);
  return `pod-${host}-${address.port}`;
}
