// The flags as a Markdown table, for the README; a test can hold the two equal. The variables follow from the names.

import { FLAGS, type Flag } from "./flags.ts";

export function formatFlagTable(): string {
  const rows = FLAGS.map((flag: Flag) => {
    const meaning = flag.notBuilt === null ? flag.help : `${flag.help} *Not built yet.*`;
    const fallback = flag.default === "" ? "" : code(flag.default);
    return [code(`--${flag.name}`), flag.type, fallback, meaning.replaceAll("|", "\\|")];
  });
  const head = ["flag", "type", "default", "meaning"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}
