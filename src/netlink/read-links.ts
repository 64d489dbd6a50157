// Looking up links. Indices are resolved at the moment of use and never kept: a device that is deleted and made again
// has another one.

import type { LinkName } from "../net/objects.ts";
import { messagesOf } from "./codec.ts";
import { type Connection, refusedTo } from "./connection.ts";
import { RTM_NEWLINK } from "./constants.ts";
import {
  decodeLink,
  type LinkLookup,
  type LinkRecord,
  linkIndex,
  linkName,
  requestLink,
  requestLinks,
} from "./link.ts";

/** Null when there is no such link. */
export function readLink(
  by: { readonly name: LinkName } | { readonly index: number },
  connection: Connection,
): LinkRecord | null {
  const { refusal, messages } = connection.ask(requestLink(by));
  if (refusal?.errno === "ENODEV") return null;
  if (refusal) throw refusedTo(`reading link ${"name" in by ? by.name : by.index}`, refusal);
  const [message] = messagesOf(messages);
  return message
    ? decodeLink(
        messages,
        message,
        lookupBy((index) => readLinkName(index, connection), connection),
      )
    : null;
}

export function readLinkName(index: number, connection: Connection): LinkName | null {
  const { messages } = connection.ask(requestLink({ index }));
  const [message] = messagesOf(messages);
  return message ? linkName(messages, message) : null;
}

/** Every link of the namespace, in index order. */
export function readLinks(connection: Connection): readonly LinkRecord[] {
  const { refusal, messages } = connection.dump(requestLinks());
  if (refusal) throw refusedTo("reading the links", refusal);
  const found = [...messagesOf(messages)].filter(({ type }) => type === RTM_NEWLINK);
  const names = new Map(found.map((message) => [linkIndex(messages, message), linkName(messages, message)]));
  const lookup = lookupBy((index) => names.get(index) ?? null, connection);
  return found.map((message) => decodeLink(messages, message, lookup)).toSorted((a, b) => a.index - b.index);
}

function lookupBy(nameOf: LinkLookup["nameOf"], { checksumOffload }: Connection): LinkLookup {
  return { nameOf, checksumOffloadOf: checksumOffload };
}
