// What systemd makes of environment files and of variables that it splits, where that surprises. Held against systemd itself
// in test/install.

export const AWKWARD_FILE = `# a comment
; another
PLAIN=value
  INDENTED = spaced out
EMPTY=
ONLY_BLANKS=  
DOUBLE="a b"  
SINGLE='a "b" $c \\d'
JOINED="a"'b' "c"d
LATE=a "b" 'c'
ESCAPED=a\\ b\\\\c\\"d
KEPT_BLANK=a\\ 
CONTINUED=a\\
b
IN_DOUBLE="\\"\\\\\\$\\\`\\x\\
y"
LINES="first
second"
HASH=a#b ; c
TWICE=1
TWICE=2
EQUALS=-a=b -c="d e"
not an assignment
export EXPORTED=1
1DIGIT=1
DASH-ED=1
DOLLAR=$PLAIN
OPEN="to the end
of the file
`;

export const AWKWARD_VARIABLES: Readonly<Record<string, string>> = {
  PLAIN: "value",
  INDENTED: "spaced out",
  EMPTY: "",
  ONLY_BLANKS: "",
  DOUBLE: "a b",
  SINGLE: 'a "b" $c \\d',
  JOINED: "abcd",
  LATE: "a \"b\" 'c'",
  ESCAPED: 'a b\\c"d',
  KEPT_BLANK: "a ",
  CONTINUED: "ab",
  IN_DOUBLE: '"\\$`\\xy',
  LINES: "first\nsecond",
  HASH: "a#b ; c",
  TWICE: "2",
  EQUALS: '-a=b -c="d e"',
  DOLLAR: "$PLAIN",
  OPEN: "to the end\nof the file\n",
};

export const AWKWARD_WORDS: readonly (readonly [string, readonly string[]])[] = [
  ["", []],
  [" -a  -b\t-c\n-d ", ["-a", "-b", "-c", "-d"]],
  ["-a='b c' -d=\"e 'f'\"", ["-a=b c", "-d=e 'f'"]],
  ['x"y z"w', ["xy zw"]],
  ["'' \"\" a", ["", "", "a"]],
  ["a\\ b \\'c \\\\d", ["a b", "'c", "\\d"]],
  ["\"a\\\"b\" 'c\\'d'", ['a"b', "c'd"]],
  ["'a b", ["a b"]],
  ["$A $B", ["$A", "$B"]],
];
