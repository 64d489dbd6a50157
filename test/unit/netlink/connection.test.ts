import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import type { NativeAddon } from "../../../src/native/native.ts";
import { encodeBody, encodeRequests, messagesOf, type Request } from "../../../src/netlink/codec.ts";
import { type Connection, openConnection, readTranscript } from "../../../src/netlink/connection.ts";
import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
  RTM_NEWROUTE,
} from "../../../src/netlink/constants.ts";

const QUESTION: Request = { type: 26, flags: 0, body: Buffer.alloc(12) };

/** struct nlmsgerr with the header of the request, and the kernel's words if there are any. */
function errorMessage(errno: number, text: string | null = null): Request {
  const body = encodeBody((out) => {
    const number = Buffer.alloc(4);
    number.writeInt32LE(-errno);
    out.emit([number, Buffer.alloc(16)]);
    if (text !== null) out.push(NLMSGERR_ATTR_MSG, Buffer.from(`${text}\0`));
  });
  return { type: NLMSG_ERROR, flags: NLM_F_CAPPED | (text === null ? 0 : NLM_F_ACK_TLVS), body };
}

function data(content: string): Request {
  return { type: RTM_NEWROUTE, flags: 0, body: Buffer.from(content) };
}

function done(errno = 0, flags = 0): Request {
  const body = Buffer.alloc(4);
  body.writeInt32LE(-errno);
  return { type: NLMSG_DONE, flags, body };
}

/** A reply in which each message answers the request of that number. */
function reply(...messages: readonly (readonly [seq: number, message: Request])[]): Buffer {
  return Buffer.concat(messages.map(([seq, message]) => encodeRequests([message], seq)));
}

function contents(messages: Buffer): string[] {
  return [...messagesOf(messages)].map(({ start, end }) => messages.toString("utf8", start, end));
}

function unused(): never {
  throw new Error("not asked for here");
}

type Script = (seq: number) => Buffer | Error;

/**
 * A connection to a kernel that answers each request with the next line of a script, and refuses the sockets with these
 * numbers.
 */
function connectionTo(...script: Script[]): ReturnType<typeof connectionWithout> {
  return connectionWithout([], ...script);
}

function connectionWithout(
  refused: readonly number[],
  ...script: Script[]
): { readonly connection: Connection; readonly opened: () => number } {
  let opened = 0;
  const native: NativeAddon = {
    takeLock: () => assert.fail(),
    lockHolder: () => assert.fail(),
    sendDatagram: () => {},
    isHungUp: () => assert.fail(),
    sendNow: () => assert.fail(),
    isWritable: () => assert.fail(),
    openMemoryFile: () => assert.fail(),
    releaseFreeMemory: () => assert.fail(),
    createTun: unused,
    openDatapath: unused,
    openPacketSocket: unused,
    checksumOffload: unused,
    setChecksumOffload: unused,
    openNetlinkMonitor: () => ({ [Symbol.dispose]: () => {} }),
    openNetlinkSocket() {
      opened += 1;
      if (refused.includes(opened)) throw systemError("EMFILE");
      let isOpen = true;
      return {
        portId: opened,
        request(messages) {
          if (!isOpen) throw systemError("EBADF");
          const [first] = messagesOf(Buffer.from(messages));
          const answer = script.shift()?.(first?.seq ?? 0) ?? new Error("the script is over");
          if (answer instanceof Error) throw answer;
          return answer;
        },
        [Symbol.dispose]() {
          isOpen = false;
        },
      };
    },
  };
  return { connection: openConnection(native), opened: () => opened };
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe("readTranscript()", () => {
  it("matches errors to requests by number, and takes silence for success", () => {
    const { outcomes } = readTranscript(reply([11, errorMessage(17)], [13, errorMessage(0)]), 10, 4);
    assert.deepEqual(outcomes, [null, { errno: "EEXIST", message: null }, null, null]);
  });

  it("gives the kernel's own words", () => {
    const { outcomes } = readTranscript(reply([1, errorMessage(101, "Nexthop has invalid gateway")]), 1, 1);
    assert.deepEqual(outcomes, [{ errno: "ENETUNREACH", message: "Nexthop has invalid gateway" }]);
  });

  it("collects the data of a dump without its end mark", () => {
    const { messages, outcomes } = readTranscript(reply([1, data("aaaa")], [1, data("bb")], [1, done()]), 1, 1);
    assert.deepEqual(contents(messages), ["aaaa", "bb"]);
    assert.deepEqual(outcomes, [null]);
  });

  it("sees an error that comes only with the end mark", () => {
    const { outcomes } = readTranscript(reply([1, data("aaaa")], [1, done(19)]), 1, 1);
    assert.deepEqual(outcomes, [{ errno: "ENODEV", message: null }]);
  });

  it("ignores what answers somebody else", () => {
    const { messages } = readTranscript(reply([7, data("aaaa")], [1, data("bbbb")], [1, done()]), 1, 1);
    assert.deepEqual(contents(messages), ["bbbb"]);
  });

  it("does not take a reply without an end for an answer", () => {
    assert.throws(
      () => readTranscript(reply([1, data("aaaa")]), 1, 1),
      (error) => isError(error, "netlink.malformed"),
    );
  });
});

describe("a connection", () => {
  const interrupted: Script = (seq) => reply([seq, data("half")], [seq, done(0, NLM_F_DUMP_INTR)]);
  const whole: Script = (seq) => reply([seq, data("whole")], [seq, done()]);

  it("reads a dump again that was interrupted", () => {
    const { connection } = connectionTo(interrupted, interrupted, whole);
    assert.deepEqual(contents(connection.dump(QUESTION).messages), ["whole"]);
  });

  it("gives a dump up that is interrupted each time", () => {
    const { connection } = connectionTo(...new Array<Script>(5).fill(interrupted));
    const { refusal, messages } = connection.dump(QUESTION);
    assert.equal(refusal?.errno, "EINTR");
    assert.equal(messages.length, 0);
  });

  it("replaces its socket when answers were lost, and reads a dump again", () => {
    const { connection, opened } = connectionTo(() => systemError("ENOBUFS"), whole);
    assert.deepEqual(contents(connection.dump(QUESTION).messages), ["whole"]);
    assert.equal(opened(), 2);
    assert.equal(connection.portId(), 2);
  });

  it("goes on once a socket can be had again in the place of one whose answers were lost", () => {
    const { connection, opened } = connectionWithout([2, 3], () => systemError("ENOBUFS"), whole);
    for (let attempt = 0; attempt < 2; attempt++) {
      assert.throws(
        () => connection.dump(QUESTION),
        (error) => isError(error, "netlink.errno") && error.info.errno === "EMFILE",
      );
    }
    assert.deepEqual(contents(connection.dump(QUESTION).messages), ["whole"]);
    assert.equal(opened(), 4);
  });

  it("stays closed once it is", () => {
    const { connection, opened } = connectionTo(whole);
    connection[Symbol.dispose]();
    for (let attempt = 0; attempt < 2; attempt++) {
      assert.throws(
        () => connection.dump(QUESTION),
        (error) => isError(error, "netlink.errno") && error.info.errno === "EBADF",
      );
    }
    assert.equal(opened(), 1);
  });

  it("says of every request of a batch that its answer was lost", () => {
    const { connection } = connectionTo(() => systemError("ENOBUFS"));
    assert.deepEqual(
      connection.execute([QUESTION, QUESTION]).map((refusal) => refusal?.errno),
      ["ENOBUFS", "ENOBUFS"],
    );
  });

  it("throws netlink.errno when it cannot talk to the kernel at all", () => {
    const { connection } = connectionTo(() => systemError("EPERM"));
    assert.throws(
      () => connection.ask(QUESTION),
      (error) => isError(error, "netlink.errno") && error.info.errno === "EPERM",
    );
  });

  it("does not hide a bug", () => {
    const { connection } = connectionTo(() => new TypeError("bug"));
    assert.throws(() => connection.ask(QUESTION), TypeError);
  });
});
