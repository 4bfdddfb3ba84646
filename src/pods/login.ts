import { badInput } from './bad-input.ts';
import { type Address, GATEWAY_HOST, modeOfHost } from './pod.ts';

/** What one pasted string says of a login; every value in it is checked already. */
export type Login = {
  host: string;
  port?: number;
  user?: string;
  keyPath?: string;
  suggestedName?: string;
  /** What the person should know of how the string was read. */
  remarks: string[];
};

/** The whole address: `root` and port 22 where nothing is said. Throws `bad-input` if the gateway's user is missing. */
export function addressOf(login: Login): { address: Address; remarks: string[] } {
  const remarks = [...login.remarks];
  const proxy = modeOfHost(login.host) === 'proxy';
  if (proxy && login.user === undefined) {
    throw badInput(
      `No user stands before ${GATEWAY_HOST}, and RunPod’s gateway finds the pod by its user.`,
      `Paste the whole string under “SSH” on the pod’s Connect page, for example: ssh 8y5rumuyb50m78-6441103b@${GATEWAY_HOST} -i ~/.ssh/id_ed25519`,
    );
  }
  if (proxy && login.user === 'root') {
    remarks.push(
      `root@${GATEWAY_HOST} is unusual: the gateway’s strings name the pod before the @, as in 8y5rumuyb50m78-6441103b@${GATEWAY_HOST}.`,
    );
  }
  if (login.user === undefined) remarks.push('No user was named: root is taken.');
  if (!proxy && login.port === undefined) {
    remarks.push('No port was named: 22 is taken. RunPod’s direct strings have one (-p).');
  }
  const address: Address = { host: login.host, port: login.port ?? 22, user: login.user ?? 'root' };
  if (login.keyPath !== undefined) address.keyPath = login.keyPath;
  return { address, remarks };
}

/** Whether two addresses lead to the same login, whatever the key. */
export function sameLogin(one: Address, other: Address): boolean {
  return (
    one.host.toLowerCase() === other.host.toLowerCase() && one.port === other.port && one.user === other.user
  );
}
