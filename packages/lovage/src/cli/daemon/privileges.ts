// Becoming another user for good: what a program that was started by root does first.
import { execFileSync } from 'node:child_process';
import { ConfigurationError } from '../../util/index.ts';

const asId = (name: string): string | number => (/^\d+$/.test(name) ? Number(name) : name);

/** The number of a user or a group, as the system knows it. */
function idOf(flag: '-u' | '-g', user: string): number {
  try {
    return Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim());
  } catch (error) {
    throw new ConfigurationError(`There is no user '${user}' on this machine (--uid).`, { cause: error });
  }
}

function setGroup(gid: string | number): void {
  try {
    process.setgid?.(gid);
  } catch (error) {
    throw new ConfigurationError(`The group '${gid}' cannot be taken (--gid): ${(error as Error).message}.`, { cause: error });
  }
}

/** Changes this process to the user and the group, and makes sure that there is no way back. Throws ConfigurationError. */
export function dropPrivileges(user: string | undefined, group: string | undefined): void {
  if (user === undefined && group === undefined) return;
  // Node's types forget one of them.
  const { getuid, getgid, setuid, initgroups } = process as NodeJS.Process & {
    initgroups?(user: string | number, group: string | number): void;
  };
  if (getuid === undefined || getgid === undefined || setuid === undefined || initgroups === undefined)
    throw new ConfigurationError('--uid and --gid need a Unix system.');
  const uid = user === undefined ? getuid.call(process) : idOf('-u', user);
  if (getuid.call(process) !== 0) {
    const isSame = uid === getuid.call(process) && (group === undefined || asId(group) === getgid.call(process));
    if (isSame) return;
    throw new ConfigurationError(
      '--uid and --gid: only root may become somebody else. Start as root, or as that user without them.',
    );
  }
  const gid = group === undefined ? (user === undefined ? 0 : idOf('-g', user)) : asId(group);
  if (user !== undefined) initgroups.call(process, asId(user), gid);
  setGroup(gid);
  if (uid === 0) return;
  setuid.call(process, uid);
  try {
    setuid.call(process, 0);
  } catch {
    return;
  }
  throw new ConfigurationError('--uid: root could be taken back after it was given up, so nothing is run.');
}

/** `022`, `0o22` or `22`: always octal. Throws ConfigurationError. */
export function readUmask(text: string): number {
  const [, digits] = /^(?:0o?)?([0-7]{1,4})$/.exec(text) ?? [];
  const mask = Number.parseInt(digits ?? '', 8);
  if (Number.isNaN(mask) || mask > 0o777)
    throw new ConfigurationError(`--umask: '${text}' is no octal file mode mask, such as 022.`);
  return mask;
}
