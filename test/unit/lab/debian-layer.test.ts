import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { layerName } from "../../../lab/debian-layer.ts";

describe("the name of a layer", () => {
  it("is the same as long as the root, the packages and the services are", () => {
    const directory = mkdtempSync(join(tmpdir(), "flanneld-layer-"));
    try {
      const base = join(directory, "base");
      mkdirSync(base);
      const layer = { packages: ["podman", "udev"], services: ["podman"] };
      const name = layerName(base, layer);
      assert.match(name, /^debian-layer-[0-9a-f]{16}$/);
      assert.equal(layerName(base, { ...layer }), name);
      const others = [
        layerName(base, { ...layer, packages: ["podman-udev"] }),
        layerName(base, { ...layer, services: [] }),
      ];
      // The old one is kept, so that the new one is another directory for certain.
      renameSync(base, `${base}.old`);
      mkdirSync(base);
      const all = [name, ...others, layerName(base, layer)];
      assert.equal(new Set(all).size, 4);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
