// Why a command has failed, as JSON for programs. Pure. The same is said as sentences on standard error.

import { exitStatusOf, FlannelError, isError, messageOf } from "../base/errors.ts";
import type { Json } from "../base/json.ts";
import type { ConfigProblem } from "./check-config.ts";

/** `problems` where there may be several, each with its place in a config, or null where that is the command line. */
export function failureJson(error: unknown, problems: readonly ConfigProblem[] = []): { readonly error: Json } {
  return {
    error: {
      code: error instanceof FlannelError ? error.code : "bug",
      status: exitStatusOf(error),
      message: messageOf(error),
      hint: isError(error, "request.refused") ? error.info.hint : null,
      problems: isError(error, "usage.invalid")
        ? error.info.problems.map((reason) => ({ at: null, reason }))
        : problems.map(({ at, reason }) => ({ at, reason })),
    },
  };
}
