// A file in memory as a program's input, on kernels that know the flag against running it, and on those too old for it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

/** Kernel: came with the flag, in Linux 6.3. */
const SETTING = "/proc/sys/vm/memfd_noexec";

/** A process of its own, which makes such a file and has `cat` read it. */
const SCRIPT = `import { execFileSync } from "node:child_process";
import { openNative } from ${JSON.stringify(join(import.meta.dirname, "../support/native.js"))};
const file = openNative().openMemoryFile(Buffer.from("read"));
console.log(execFileSync("cat", ["/dev/stdin"], { stdio: [file.descriptor, "pipe", "inherit"] }).toString());`;
const MAKE = [process.execPath, "--input-type=module", "-e", SCRIPT];

/** In place of the C library's: the call as Linux before 6.3 answers it. */
const OLD_KERNEL = `#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
int memfd_create(const char *name, unsigned int flags) {
  if (flags & 8) return errno = EINVAL, -1;
  return (int)syscall(SYS_memfd_create, name, flags);
}`;

describe("a file in memory", { skip: whyNotHere() }, () => {
  it("is opened by its name and read from its beginning", () => {
    using file = openNative().openMemoryFile(Buffer.from("table ip t\n"));
    for (let time = 0; time < 2; time++) {
      const read = execFileSync("cat", ["/dev/stdin"], {
        encoding: "utf8",
        stdio: [file.descriptor, "pipe", "inherit"],
      });
      assert.equal(read, "table ip t\n");
    }
  });

  it("cannot be run", { skip: existsSync(SETTING) ? false : `this kernel has no ${SETTING}` }, () => {
    using file = openNative().openMemoryFile(Buffer.from("#!/bin/sh\n"));
    assert.equal(fstatSync(file.descriptor).mode & 0o111, 0);
  });

  it("is made where the kernel does not know how to refuse", () => {
    const directory = mkdtempSync(join(tmpdir(), "old-kernel-"));
    try {
      const library = join(directory, "old-kernel.so");
      execFileSync("cc", ["-shared", "-fPIC", "-x", "c", "-", "-o", library], { input: OLD_KERNEL });
      const [program = "", ...args] = MAKE;
      const env = { ...process.env, LD_PRELOAD: `${process.env["LD_PRELOAD"] ?? ""} ${library}` };
      assert.equal(execFileSync(program, args, { encoding: "utf8", env }), "read\n");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
