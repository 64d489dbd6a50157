// The licences of what a package carries: Node.js, and the npm packages in the bundle.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly license?: string; readonly dev?: boolean }>
  >;
}

export function thirdPartyLicenses(root: string, nodeLicense: string): string {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
  const bundled = Object.entries(packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  const texts = bundled.map(([path, { version, license }]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    return `${name} ${version}: ${license ?? "see below"}\n\n${licenseText(join(root, path))}`;
  });
  return [`Node.js\n\n${nodeLicense}`, ...texts].join(`\n${"=".repeat(80)}\n\n`);
}

/** Some packages have only the licence's name. */
function licenseText(directory: string): string {
  if (!existsSync(directory)) return "";
  const names = readdirSync(directory).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  return names
    .sort()
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .join("\n");
}
