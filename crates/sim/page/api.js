// Calls of the control API. The control key lives in this module's memory and nowhere else.

let key = null;
let asking = null;
let askForKey = async () => null;

/** What asks a person for the key; it is told whether the last one was wrong. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** A path of encoded parts and a query; what is undefined, null or empty in the query is left out. */
export function path(parts, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(pairs).toString();
  return parts.map(encodeURIComponent).join("/") + (text ? `?${text}` : "");
}

/** The JSON answer of `/sim/{path}`; an ApiError with status 0 when the simulator cannot be reached. */
export async function call(method, path, body) {
  for (;;) {
    const sent = key;
    const response = await request(method, path, body);
    if (response.status !== 401) return read(response);
    // Several calls may find out at once; one question is enough, and who comes late takes the answer.
    if (key === sent) {
      asking ??= askForKey(sent !== null).then((given) => { key = given; asking = null; });
      await asking;
    }
  }
}

async function request(method, path, body) {
  const headers = {};
  if (key !== null) headers["x-control-key"] = key;
  if (body !== undefined) headers["content-type"] = "application/json";
  try {
    return await fetch(`/sim/${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit",
    });
  } catch {
    throw new ApiError(0, "The simulator does not answer.");
  }
}

async function read(response) {
  const text = await response.text();
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    value = null;
  }
  if (response.ok) return value;
  throw new ApiError(response.status, value?.error ?? `The simulator answered ${response.status}.`);
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);
