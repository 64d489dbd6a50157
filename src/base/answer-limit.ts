// An HTTP answer has a time by which all of it must have been taken: a reader that reads nothing, or a byte now and then,
// must not keep one of a server's few connections.

import { seconds } from "./brand.ts";
import { startTimer } from "./clock.ts";

/** From the request's head to the last byte. */
const ANSWER_LIMIT = seconds(10);

/** What of Node's ServerResponse is needed here. */
export interface LimitedResponse {
  readonly req: { readonly socket: { destroy(): unknown } };
  on(event: "close", listener: () => void): unknown;
}

/** The connection is destroyed when the response is not done by then. Disposal lifts the limit. */
export function limitAnswer(response: LimitedResponse): Disposable {
  const { socket } = response.req;
  const timer = startTimer(ANSWER_LIMIT, () => socket.destroy());
  response.on("close", () => timer[Symbol.dispose]());
  return timer;
}
