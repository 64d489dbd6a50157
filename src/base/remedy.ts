// What ends a trouble: a command for a shell, or words for a person. Pure.

export interface Remedy {
  /** Either of the two; null where there is nothing to say. */
  readonly remedy: string | null;
  /** The same when a shell takes it as it is: nothing has to be filled in, and nothing decided. */
  readonly command: string | null;
}

export const NO_REMEDY: Remedy = { remedy: null, command: null };

export function byCommand(command: string): Remedy {
  return { remedy: command, command };
}

export function byHand(advice: string): Remedy {
  return { remedy: advice, command: null };
}

/** How commands begin that change nothing: what they say leads on to what does. */
const LOOKS = ["etcdctl endpoint health", "flanneld config validate", "flanneld leases", "flanneld ping"];

/** "mend: modprobe vxlan", "look: flanneld leases", "advice: widen the network"; daemons before this one do not say which it is. */
export function formatRemedy({ remedy, command }: Pick<Remedy, "remedy"> & Partial<Remedy>): string | null {
  if (remedy === null) return null;
  const looks = LOOKS.some((words) => `${command} `.startsWith(`${words} `));
  return `${command === null ? "advice" : looks ? "look" : "mend"}: ${remedy}`;
}

/** That of a trouble; nothing while there is none. */
export function remedyOf(trouble: Remedy | null): Remedy {
  return trouble === null ? NO_REMEDY : { remedy: trouble.remedy, command: trouble.command };
}
