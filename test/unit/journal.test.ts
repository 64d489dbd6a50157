import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync } from "node:fs";
import { describe, it } from "node:test";
import { FlannelError } from "../../src/base/errors.ts";
import type { LogFields } from "../../src/base/log.ts";
import { createJournal, formatFailure, printFailure, readLineStyle } from "../../src/journal.ts";
import type { LineStyle } from "../../src/journal-text.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";

/** What is offered to systemd's journal: entries, and lines for when it takes none. */
function systemdJournal(format: "text" | "json") {
  const [lines, entries]: [string[], string[]] = [[], []];
  const write = (line: string, entry?: Buffer) => {
    lines.push(line);
    if (entry) entries.push(entry.toString("utf8"));
  };
  const deps = { clock: createFakeClock(), style: "journal" as const, sink: { write } };
  return { lines, entries, log: createJournal({ format, debug: false }, deps) };
}

function journal(format: "text" | "json", debug = false, style: LineStyle = "plain") {
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) };
  return { lines, log: createJournal({ format, debug }, { clock: createFakeClock(), style, sink }) };
}

function droppingJournal() {
  const lines: string[] = [];
  let drop = (_: number) => {};
  const sink = {
    write: (line: string) => void lines.push(line),
    onDropped: (listener: (count: number) => void) => {
      drop = listener;
    },
  };
  const log = createJournal({ format: "json", debug: false }, { clock: createFakeClock(), style: "plain", sink });
  return { lines, log, drop: (count: number) => drop(count) };
}

describe("createJournal()", () => {
  it("writes text lines with the time of the clock", () => {
    const { lines, log } = journal("text");
    log.warn("watch lost", { endpoint: "http://a:1" });
    assert.match(lines.join(""), /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z WARN {2}watch lost endpoint=http:\/\/a:1\n$/);
  });

  it("writes JSON lines with the level as a word", () => {
    const { lines, log } = journal("json");
    log.error("watch lost", { ms: 3 });
    const { time, ...rest } = JSON.parse(lines.join("")) as Record<string, unknown>;
    assert.deepEqual(rest, { level: "error", msg: "watch lost", ms: 3 });
    assert.match(String(time), /^\d{4}-.*Z$/);
  });

  it("tells journald the priority of JSON lines, too", () => {
    const { lines, log } = journal("json", false, "journal");
    log.warn("watch lost", { ms: 3 });
    log.info("stopped");
    assert.deepEqual(
      lines.map((line) => line.slice(0, 4)),
      ["<4>{", "<6>{"],
    );
    assert.equal(JSON.parse((lines[0] ?? "").slice(3)).msg, "watch lost");
  });

  it("gives systemd's journal the fields by name, and the text that people read", () => {
    const { lines, entries, log } = systemdJournal("text");
    log.warn("leased a subnet", { subnet: "10.5.1.0/24", publicIp: "192.0.2.1", ms: 1500, reason: "two\nlines" });
    assert.deepEqual(lines, [
      '<4>leased a subnet subnet=10.5.1.0/24 publicIp=192.0.2.1 duration=1.5s reason="two\\nlines"\n',
    ]);
    assert.deepEqual(entries, [
      [
        'MESSAGE=leased a subnet subnet=10.5.1.0/24 publicIp=192.0.2.1 duration=1.5s reason="two\\nlines"',
        "PRIORITY=4",
        "SYSLOG_FACILITY=3",
        "SYSLOG_IDENTIFIER=flanneld",
        "FLANNEL_EVENT=leased a subnet",
        "FLANNEL_SUBNET=10.5.1.0/24",
        "FLANNEL_PUBLIC_IP=192.0.2.1",
        "FLANNEL_MS=1500",
        "FLANNEL_REASON=two\\u000alines",
        "",
      ].join("\n"),
    ]);
  });

  it("gives it JSON as the text where that is wanted", () => {
    const json = systemdJournal("json");
    json.log.info("stopped");
    assert.match(json.entries.join(""), /^MESSAGE=\{"level":"info".*"msg":"stopped"\}\nPRIORITY=6\n/);
  });

  it("says how many lines are missing, also to whoever reads errors alone", () => {
    const { lines, log, drop } = droppingJournal();
    drop(3);
    log.level.set("error");
    drop(1);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)).map(({ level, count }) => [level, count]),
      [
        ["warn", 3],
        ["error", 1],
      ],
    );
    assert.match(lines[0] ?? "", /lines are missing here/);
  });

  it("writes a message without fields", () => {
    const { lines, log } = journal("text", true);
    for (const level of ["error", "warn", "info", "debug"] as const) log[level]("stopped");
    assert.equal(lines.filter((line) => line.endsWith(" stopped\n")).length, 4);
  });

  it("leaves debug messages out unless they are asked for", () => {
    const quiet = journal("text");
    quiet.log.debug("pass");
    assert.deepEqual(quiet.lines, []);
    const verbose = journal("text", true);
    verbose.log.debug("pass");
    assert.equal(verbose.lines.length, 1);
  });

  it("writes more or less from the moment on at which its level is set", () => {
    const { lines, log } = journal("text");
    assert.equal(log.level.get(), "info");
    log.level.set("debug");
    log.debug("pass");
    log.level.set("error");
    log.warn("watch lost");
    log.error("gone");
    assert.equal(log.level.get(), "error");
    assert.deepEqual(
      lines.map((line) => line.trimEnd().slice(-4)),
      ["pass", "gone"],
    );
  });

  it("never writes a secret, in either form", () => {
    for (const format of ["text", "json"] as const) {
      const { lines, log } = journal(format);
      const careless = { password: "hunter2", auth: { username: "u", password: "hunter2" } };
      log.info("options", careless as unknown as LogFields);
      assert.match(lines.join(""), /\[redacted\]/);
      assert.doesNotMatch(lines.join(""), /hunter2/);
    }
  });
});

describe("readLineStyle()", () => {
  it("is for journald when JOURNAL_STREAM names what is written to, and only then", () => {
    const fd = openSync("/dev/null", "w");
    try {
      const { dev, ino } = fstatSync(fd);
      assert.equal(readLineStyle({ JOURNAL_STREAM: `${dev}:${ino}` }, fd), "journal");
      assert.equal(readLineStyle({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, fd), "plain");
      assert.equal(readLineStyle({ JOURNAL_STREAM: "x" }, fd), "plain");
      assert.equal(readLineStyle({}, fd), "plain");
    } finally {
      closeSync(fd);
    }
  });

  it("does not fail on a closed descriptor", () => {
    assert.equal(readLineStyle({ JOURNAL_STREAM: "1:2" }, 9999), "plain");
  });

  it("colours a terminal unless NO_COLOR is set", (context) => {
    let fd: number;
    try {
      fd = openSync("/dev/ptmx", "r+");
    } catch {
      return context.skip("no pseudo-terminals here");
    }
    try {
      assert.equal(readLineStyle({}, fd), "colour");
      assert.equal(readLineStyle({ NO_COLOR: "1" }, fd), "plain");
    } finally {
      closeSync(fd);
    }
  });
});

describe("formatFailure()", () => {
  it("writes each problem of a command line as a line", () => {
    const error = new FlannelError("usage.invalid", { problems: ["unknown flag -x", "-v=y: must be an integer"] });
    assert.equal(formatFailure(error), "flanneld: unknown flag -x\nflanneld: -v=y: must be an integer");
  });

  it("shows a stack for a bug and for nothing else", () => {
    assert.match(formatFailure(new TypeError("oops")), /^flanneld: this is a bug: TypeError: oops\nflanneld: {5}at /);
    const error = new FlannelError("privilege.missing", { capability: "CAP_NET_ADMIN" });
    assert.doesNotMatch(formatFailure(error), /\n|\bat /);
    assert.match(formatFailure(error), /^flanneld: needs the capability CAP_NET_ADMIN to /);
  });

  it("cannot steer a terminal by what it quotes", () => {
    const error = new FlannelError("request.refused", { hint: null, reason: "its reason is \u001b[2J\u009b1m" });
    assert.equal(formatFailure(error), "flanneld: its reason is \\u001b[2J\\u009b1m");
  });

  it("is printed with a line end", () => {
    const lines: string[] = [];
    printFailure("x", { write: (line) => void lines.push(line) }, "plain");
    assert.deepEqual(lines, ["flanneld: this is a bug: x\n"]);
  });

  it("is an error to journald, each line of it", () => {
    const lines: string[] = [];
    const error = new FlannelError("usage.invalid", { problems: ["unknown flag -x", "unknown flag -y"] });
    printFailure(error, { write: (line) => void lines.push(line) }, "journal");
    assert.deepEqual(lines, ["<3>flanneld: unknown flag -x\n", "<3>flanneld: unknown flag -y\n"]);
  });
});
