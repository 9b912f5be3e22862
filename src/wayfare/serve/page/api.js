// Requests to the server that served this page. The token lives in this tab's session storage and nowhere else.

const TOKEN = "wayfare-token";

/** A refusal of the server: `status`, and the problem document (RFC 9457) it answered with. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/** Who is signed in: what GET /v1/token said, or null. */
export const session = { owner: null, rewards: [0, 1], kinds: {} };

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => sessionStorage.setItem(TOKEN, text),
  drop: () => sessionStorage.removeItem(TOKEN),
};

export const allows = (scope) => session.owner !== null && session.owner.scopes.includes(scope);

async function send(method, path, { query = {}, body, match } = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") search.append(name, each);
    }
  }
  const headers = {};
  const text = token.get();
  if (text) headers.Authorization = `Bearer ${text}`;
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Idempotency-Key"] = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
  }
  if (match !== undefined) headers["If-Match"] = `"${match}"`;
  let answer;
  try {
    answer = await fetch(`/v1/${path}${search.size ? `?${search}` : ""}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit",
      referrerPolicy: "no-referrer",
    });
  } catch {
    throw new Problem(0, { detail: "The server cannot be reached." });
  }
  let said = {};
  try {
    said = await answer.json();
  } catch {
    if (answer.ok) throw new Problem(answer.status, { detail: "The server's answer could not be read." });
  }
  if (!answer.ok) {
    const problem = new Problem(answer.status, said);
    if (answer.status === 401) dispatchEvent(new CustomEvent("signed-out", { detail: problem }));
    throw problem;
  }
  return said;
}

export const get = (path, query) => send("GET", path, { query });
export const post = (path, body, match) => send("POST", path, { body, match });
/** A path of the interface: texts within it are escaped. */
export const at = (strings, ...ids) => String.raw({ raw: strings }, ...ids.map(encodeURIComponent));
