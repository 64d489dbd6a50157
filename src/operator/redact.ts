// Takes secrets out of text that leaves the host: by what they are called, by what they look like, and by what is known to
// be one. Pure. What is taken out is marked, and what stands around it stays readable. Rather one word too many than one
// secret.

const REMOVED = "[removed]";

/** Names of settings, variables and JSON members whose value nobody else may see. */
const SECRET_NAME =
  "[\\w.-]*(?:passw(?:or)?d|passphrase|secret|token|credential|psk|api[-_.]?key|(?:private|auth|pre[-_]?shared)[-_]?key)";

const VALUE = `"(?:[^"\\\\\\n]|\\\\.)*"?|'[^'\\n]*'?|[^\\s"',;&]+`;

const PATTERNS: readonly { readonly pattern: RegExp; readonly by: string }[] = [
  // PEM, also with its lines escaped in JSON, and one that is cut off.
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, by: REMOVED },
  // https://ann:s3cret@etcd:2379
  { pattern: /([a-z][a-z0-9+.-]*:\/\/)[^\s/@"'<>]+@/gi, by: `$1${REMOVED}@` },
  { pattern: /\b(Bearer|Basic)(\s+)[\w.~+/=-]{6,}/g, by: `$1$2${REMOVED}` },
  // --etcd-password s3cret, -etcd-password "s3cret"; not a flag that follows.
  { pattern: new RegExp(`(--?${SECRET_NAME})([ \\t]+)(?!-)(?:${VALUE})`, "gi"), by: `$1$2${REMOVED}` },
  // FLANNELD_ETCD_PASSWORD=s3cret, "password": "s3cret", token: s3cret
  {
    pattern: new RegExp(
      `(${SECRET_NAME}\\w*(?:\\\\?["'])?[ \\t]*[=:][ \\t]*)(?!\\s|null\\b)(?:\\\\"[^"\\\\]*\\\\"|${VALUE})`,
      "gi",
    ),
    by: `$1${REMOVED}`,
  },
];

/** Shorter ones would take half of the text with them. */
const SHORTEST_KNOWN = 4;

/** `known` are values that are secrets, whatever stands around them. */
export function redact(text: string, known: readonly string[] = []): string {
  const byValue = known
    .filter((secret) => secret.length >= SHORTEST_KNOWN)
    .toSorted((a, b) => b.length - a.length)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
    .reduce((rest, secret) => rest.replaceAll(secret, REMOVED), text);
  return PATTERNS.reduce((rest, { pattern, by }) => rest.replaceAll(pattern, by), byValue);
}

/** The values in lines of NAME=value whose name says that they are secrets, quotes taken off. */
export function secretsIn(environment: string): readonly string[] {
  const lines = environment.matchAll(new RegExp(`^\\s*(?:export\\s+)?${SECRET_NAME}\\w*=(.*)$`, "gim"));
  return [...lines]
    .map(([, value = ""]) => value.trim().replace(/^(["'])(.*)\1$/, "$2"))
    .filter((value) => value !== "");
}
