// The list of -etcd-endpoints. Pure. A problem never shows an endpoint that carries credentials.
// Compat: an endpoint without a scheme is https when a TLS file is given, else http. Unlike Go flanneld, which takes the
// scheme of the first for all, a mixture is refused, and blanks around commas are dropped.

export interface Endpoints {
  readonly endpoints: readonly string[];
  readonly problems: readonly string[];
}

const SCHEME = /^([a-z][a-z\d+.-]*):\/\//i;

/** `secure`: an endpoint without a scheme speaks TLS. */
export function readEndpoints(text: string, secure: boolean): Endpoints {
  // An @ belongs to credentials, and those may hold commas and slashes: nothing of the text is safe to show.
  if (text.includes("@")) {
    const advice = "use -etcd-username and the variable FLANNELD_ETCD_PASSWORD";
    return { endpoints: [], problems: [`an endpoint must not contain a user name or password; ${advice}`] };
  }
  const endpoints: string[] = [];
  const problems: string[] = [];
  for (const part of text.split(",").map((part) => part.trim())) {
    if (part === "") continue;
    const endpoint = parseEndpoint(SCHEME.test(part) ? part : `${secure ? "https" : "http"}://${part}`);
    if (typeof endpoint === "string") problems.push(`${JSON.stringify(part)} ${endpoint}`);
    else endpoints.push(`${endpoint.scheme}://${endpoint.authority}`);
  }
  if (endpoints.length + problems.length === 0) {
    problems.push("must name at least one endpoint, such as http://127.0.0.1:2379");
  }
  if (new Set(endpoints.map((endpoint) => SCHEME.exec(endpoint)?.[1])).size > 1) {
    problems.push("must be all http or all https, not a mixture");
  }
  return { endpoints, problems };
}

interface Endpoint {
  readonly scheme: string;
  readonly authority: string;
}

/** The endpoint, or what is wrong with it. */
function parseEndpoint(text: string): Endpoint | string {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase() ?? "";
  if (scheme !== "http" && scheme !== "https") return "must begin with http:// or https://";
  const [, authority = "", path = ""] = /^[^/]+:\/\/([^/?#]*)(.*)$/.exec(text) ?? [];
  if (!URL.canParse(text)) return "is not a URL such as http://127.0.0.1:2379";
  if (path !== "" && path !== "/") return `has a path, which etcd does not have: write ${scheme}://${authority}`;
  if (!/:\d+$/.test(authority)) return `needs a port, such as ${scheme}://${authority}:2379`;
  return { scheme, authority: authority.toLowerCase() };
}
