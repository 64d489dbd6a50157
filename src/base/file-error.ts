// Why a file cannot be read, for people. Node's own message repeats the path.

import { messageOf } from "./errors.ts";

/** A clause. */
export function describeFileError(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "permission denied";
    case "EEXIST":
      return "there is a file already";
    case "EISDIR":
      return "it is a directory";
    default:
      return messageOf(error);
  }
}
