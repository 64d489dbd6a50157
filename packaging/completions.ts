// Completion for bash, zsh and fish, made of the table of flags. Pure. Flags whose function is not built are left out:
// they would only be refused.

import type { Flag } from "../src/cli/flags.ts";
import { type Command, type Surface, valueHint } from "./surface.ts";

const INTERFACES = "ls /sys/class/net 2>/dev/null";

function offered(flags: readonly Flag[]): readonly Flag[] {
  return flags.filter(({ notBuilt }) => notBuilt === null);
}

interface FirstWord {
  readonly word: string;
  readonly summary: string;
  /** What may follow; none for a command of one word. */
  readonly seconds: readonly { readonly word: string; readonly summary: string }[];
}

/** In the order of the table, each once. */
function firstWords(commands: readonly Command[]): readonly FirstWord[] {
  const split = commands.map(({ name, summary, words }) => {
    const [word = "", second] = name.split(" ");
    return { word, second, summary, takesCommand: words.some(({ name }) => name === "COMMAND") };
  });
  const names = [...new Set(split.map(({ word }) => word))];
  return names.map((first) => {
    const members = split.filter(({ word }) => word === first);
    const [{ summary, takesCommand } = { summary: "", takesCommand: false }] = members;
    const seconds = members.flatMap(({ second, summary }) => (second ? [{ word: second, summary }] : []));
    if (seconds.length > 0) return { word: first, summary: `One of ${seconds.map(wordOf).join(", ")}.`, seconds };
    const others = names.filter((name) => name !== first).map((word) => ({ word, summary: "" }));
    return { word: first, summary, seconds: takesCommand ? others : [] };
  });
}

function wordOf({ word }: { readonly word: string }): string {
  return word;
}

/** Last words of commands that take a file. */
function beforeFile(commands: readonly Command[]): readonly string[] {
  const takers = commands.filter(({ words }) => words.some(({ name }) => name.includes("FILE")));
  return takers.map(({ name }) => name.split(" ").at(-1) ?? "");
}

function allFlags({ flags, commands, common }: Surface): readonly Flag[] {
  const all = [...flags, ...commands.flatMap((command) => command.flags), ...common];
  return offered([...new Map(all.map((flag) => [flag.name, flag])).values()]);
}

export function bashCompletion(surface: Surface): string {
  const flags = allFlags(surface);
  const names = flags.map(({ name, type }) => (type === "bool" ? `--${name}` : `--${name}=`));
  const values = flags.flatMap((flag) => {
    const reply = bashReply(flag);
    return reply === null ? [] : [`    -${flag.name} | --${flag.name}) ${reply} ;;`];
  });
  const first = firstWords(surface.commands);
  const seconds = first.flatMap(({ word, seconds }) =>
    seconds.length > 0 ? [`    ${word}) ${bashWords(seconds.map(wordOf))} ;;`] : [],
  );
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
    *)
      local earlier command=
      for earlier in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $earlier in
${bashEarlier(surface).join("\n")}
          *) ;;
        esac
      done
      if [[ -z $command ]]; then COMPREPLY=($(compgen -W "${first.map(wordOf).join(" ")}" -- "$word")); fi
      ;;
  esac
}

complete -F _flanneld flanneld
`;
}

const FILES = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")); return';

/** What words before the one to complete mean for it. */
function bashEarlier({ commands }: Surface): readonly string[] {
  const arm = (words: readonly string[], does: string) =>
    words.length > 0 ? [`          ${words.join(" | ")}) ${does} ;;`] : [];
  return [...arm(beforeFile(commands), FILES), ...arm(firstWords(commands).map(wordOf), "command=$earlier")];
}

function bashWords(words: readonly string[]): string {
  return `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")); return`;
}

/** What follows the flag; null when nothing does. */
function bashReply(flag: Flag): string | null {
  const hint = valueHint(flag);
  switch (hint.kind) {
    case "file":
      return FILES;
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
  const first = firstWords(surface.commands);
  const described = (words: FirstWord["seconds"]) =>
    words.map(({ word, summary }) => zshQuote(summary === "" ? word : `${word}:${summary}`)).join(" ");
  const seconds = first.flatMap(({ word, seconds }) =>
    seconds.length > 0 ? [`    2:${word}) words_of=(${described(seconds)}) ;;`] : [],
  );
  const positional = first.length > 0 ? " '*:: :_flanneld_commands'" : "";
  return `#compdef flanneld
# zsh completion for flanneld; made from its table of flags.

_flanneld_commands() {
  local -a words_of=()
  case $CURRENT:$words[1] in
    1:*) words_of=(${described(first)}) ;;
${seconds.join("\n")}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    _arguments -S $flags
  elif (( $#words_of )); then
    _describe command words_of
  elif (( \${words[(I)(${beforeFile(surface.commands).join("|")})]} )); then
    _files
  fi
}

local -a flags=(
${specs.join("\n")}
)
_arguments -S $flags${positional}
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
  const commands = firstWords(surface.commands).flatMap(({ word, summary, seconds }) => [
    fishWord("__fish_use_subcommand", word, summary),
    ...seconds.map((second) => fishWord(fishAfter(word, seconds), second.word, second.summary)),
  ]);
  const files = `complete -c flanneld -n ${fishQuote(`__fish_seen_subcommand_from ${beforeFile(surface.commands).join(" ")}`)} -F`;
  return `# fish completion for flanneld; made from its table of flags.

complete -c flanneld -f
${[...lines, ...commands, files].join("\n")}
`;
}

function fishWord(condition: string, word: string, summary: string): string {
  const about = summary === "" ? "" : ` -d ${fishQuote(summary)}`;
  return `complete -c flanneld -n ${fishQuote(condition)} -a ${word}${about}`;
}

/** The first word is there, and none of the second ones. */
function fishAfter(first: string, seconds: FirstWord["seconds"]): string {
  const words = seconds.map(wordOf).join(" ");
  return `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${words}`;
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
