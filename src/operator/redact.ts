// Takes secrets out of text that leaves the host: by what they are called, by what they look like, and by what is known to
// be one. Pure. What is taken out is marked, and what stands around it stays readable. Rather one word too many than one
// secret.

/** What stands in its place. */
export const REMOVED = "[removed]";

/** Names of settings, variables and JSON members whose value nobody else may see. */
export const SECRET_NAME =
  "[\\w.-]*(?:passw(?:or)?d|passphrase|secret|token|credential|psk|api[-_.]?key|(?:private|auth|pre[-_]?shared)[-_]?key)";

const QUOTED = `"(?:[^"\\\\\\n]|\\\\.)*"?|'[^'\\n]*'?`;
/** To the next blank: whatever it is made of. Only a quote that seems to end what all of this stands in ends it, too. */
const WORD = `(?:${QUOTED}|[^\\s"'](?:[^\\s"']|["'](?![\\s"',;:)}\\]]|$))*)`;
/** In JSON and the like something else may follow without a blank. */
const MEMBER = `(?:${QUOTED}|[^\\s"',;&]+)`;

/** Else a long word would be looked through once for each of its letters. */
const START = "(?<![\\w.-])";

interface Pattern {
  readonly pattern: RegExp;
  readonly by: string;
}

function named(separator: string, value: string): Pattern {
  const name = `${SECRET_NAME}\\w*(?:\\\\?["'])?[ \\t]*(?:${separator})`;
  return {
    pattern: new RegExp(`${START}(${name})(?!\\s|null(?=[\\s,}\\]]|$))(?:\\\\"[^"\\\\]*\\\\"|${value})`, "gi"),
    by: `$1${REMOVED}`,
  };
}

const PATTERNS: readonly Pattern[] = [
  // PEM, also with its lines escaped in JSON, and one that is cut off.
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, by: REMOVED },
  // https://ann:p@ss/w@etcd:2379: to the last @ before the next URL
  { pattern: /(:\/\/)(?:(?!:\/\/)[^\s"'<>])+@/g, by: `$1${REMOVED}@` },
  { pattern: /\b(Bearer|Basic)(\s+)[\w.~+/=-]{6,}/g, by: `$1$2${REMOVED}` },
  // --etcd-password s3cret, -etcd-password "s3cret", --etcd-password -s3cret: the next word is the value
  { pattern: new RegExp(`${START}(--?${SECRET_NAME}[ \\t]+)${WORD}`, "gi"), by: `$1${REMOVED}` },
  // FLANNELD_ETCD_PASSWORD=s3cret, token: s3cret
  named("=[ \\t]*|:[ \\t]+", WORD),
  // "password":"s3cret"
  named(":", MEMBER),
];

/** Shorter ones would take half of the text with them. */
const SHORTEST_KNOWN = 4;

/** `known` are values that are secrets, whatever stands around them. */
export function redact(text: string, known: readonly string[] = []): string {
  const byValue = known
    .filter((secret) => secret.length >= SHORTEST_KNOWN)
    .toSorted((a, b) => b.length - a.length)
    .flatMap(spellings)
    .reduce((rest, secret) => rest.replaceAll(secret, REMOVED), text);
  return PATTERNS.reduce((rest, { pattern, by }) => rest.replaceAll(pattern, by), byValue);
}

/** As itself, in JSON, in JSON within JSON, in a URL, in a unit, and as systemctl writes it outside of a UTF-8 locale. */
function spellings(secret: string): readonly string[] {
  const inJson = (text: string) => JSON.stringify(text).slice(1, -1);
  const isPlain = (byte: number) => byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
  const escaped = [...Buffer.from(secret)].map((byte) =>
    isPlain(byte) ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
  );
  const inUrl = encodeURIComponent(secret);
  const inUnit = secret.replaceAll("%", "%%");
  return [secret, inJson(secret), inJson(inJson(secret)), inUrl, inUnit, inJson(inUnit), escaped.join("")];
}
