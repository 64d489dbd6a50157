// Completion for bash, zsh and fish, made of the table of flags. Pure. Flags whose function is not built are left out:
// they would only be refused.

import type { Flag } from "../src/cli/flags.ts";
import { type Command, type Surface, valueHint } from "./surface.ts";

const INTERFACES = "ls /sys/class/net 2>/dev/null";

function offered(flags: readonly Flag[]): readonly Flag[] {
  return flags.filter(({ notBuilt }) => notBuilt === null);
}

/** First words of commands, each once. */
function firstWords(commands: readonly Command[]): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? ""))];
}

/** Second words by first words, for commands of two. */
function secondWords(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const members = new Map<string, string[]>();
  for (const { name } of commands) {
    const [first = "", second] = name.split(" ");
    if (second !== undefined) members.set(first, [...(members.get(first) ?? []), second]);
  }
  return members;
}

function allFlags({ flags, commands }: Surface): readonly Flag[] {
  const byName = new Map([...flags, ...commands.flatMap((command) => command.flags)].map((flag) => [flag.name, flag]));
  return offered([...byName.values()]);
}

export function bashCompletion(surface: Surface): string {
  const flags = allFlags(surface);
  const names = flags.map(({ name, type }) => (type === "bool" ? `--${name}` : `--${name}=`));
  const values = flags.flatMap((flag) => {
    const reply = bashReply(flag);
    return reply === null ? [] : [`    -${flag.name} | --${flag.name}) ${reply} ;;`];
  });
  const seconds = [...secondWords(surface.commands)].map(([first, words]) => `    ${first}) ${bashWords(words)} ;;`);
  return `# bash completion for flanneld; made from its table of flags.

_flanneld() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  # bash makes a word of its own of "=".
  if [[ $word == "=" ]]; then
    word=
  elif [[ $before == "=" ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $before in
${[...values, ...seconds].join("\n")}
  esac
  case $word in
    -*)
      local flags="${names.join(" ")}"
      if [[ $word != --* ]]; then flags=\${flags//--/-}; fi
      COMPREPLY=($(compgen -W "$flags" -- "$word"))
      if [[ \${COMPREPLY[0]-} == *= ]]; then compopt -o nospace 2>/dev/null; fi
      ;;
    *) COMPREPLY=($(compgen -W "${firstWords(surface.commands).join(" ")}" -- "$word")) ;;
  esac
}

complete -F _flanneld flanneld
`;
}

function bashWords(words: readonly string[]): string {
  return `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")); return`;
}

/** What follows the flag; null when nothing does. */
function bashReply(flag: Flag): string | null {
  const hint = valueHint(flag);
  switch (hint.kind) {
    case "file":
      return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")); return';
    case "interface":
      return bashWords([`$(${INTERFACES})`]);
    case "words":
      return bashWords(hint.words);
    case "text":
      return "return";
    case "none":
      return null;
  }
}

export function zshCompletion(surface: Surface): string {
  const specs = allFlags(surface).map((flag) => `  ${zshQuote(zshSpec(flag))}`);
  const commands = surface.commands.map(({ name, summary }) => `    ${zshQuote(`${name}:${summary}`)}`);
  const positional = commands.length > 0 ? ["  '*:: :_flanneld_commands'"] : [];
  return `#compdef flanneld
# zsh completion for flanneld; made from its table of flags.

_flanneld_commands() {
  local -a commands=(
${commands.join("\n")}
  )
  _describe command commands
}

local -a flags=(
${[...specs, ...positional].join("\n")}
)
_arguments -S $flags
`;
}

function zshSpec(flag: Flag): string {
  const text = flag.help.replaceAll(/[[\]\\:]/g, "\\$&");
  const repeat = flag.type === "list" ? "*" : "";
  const hint = valueHint(flag);
  switch (hint.kind) {
    case "none":
      return `${repeat}--${flag.name}[${text}]`;
    case "file":
      return `${repeat}--${flag.name}=[${text}]:file:_files`;
    case "interface":
      return `${repeat}--${flag.name}=[${text}]:interface:($(${INTERFACES}))`;
    case "words":
      return `${repeat}--${flag.name}=[${text}]:value:(${hint.words.join(" ")})`;
    case "text":
      return `${repeat}--${flag.name}=[${text}]:${flag.type}: `;
  }
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function fishCompletion(surface: Surface): string {
  const lines = allFlags(surface).map((flag) => {
    const words = ["complete -c flanneld", `-l ${flag.name}`, `-d ${fishQuote(flag.help)}`, ...fishValue(flag)];
    return words.join(" ");
  });
  const commands = surface.commands.map(
    ({ name, summary }) =>
      `complete -c flanneld -n __fish_use_subcommand -a ${fishQuote(name)} -d ${fishQuote(summary)}`,
  );
  return `# fish completion for flanneld; made from its table of flags.

complete -c flanneld -f
${[...lines, ...commands].join("\n")}
`;
}

function fishValue(flag: Flag): readonly string[] {
  const hint = valueHint(flag);
  switch (hint.kind) {
    case "none":
      return [];
    case "file":
      return ["-r -F"];
    case "interface":
      return [`-x -a '(${INTERFACES})'`];
    case "words":
      return [`-x -a '${hint.words.join(" ")}'`];
    case "text":
      return ["-x"];
  }
}

function fishQuote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
