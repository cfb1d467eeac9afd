// The REST API, by the session of who looks.

export class Refused extends Error {}

function token() {
  return document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
}

// Raises Refused with a sentence.
export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": token() },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refused("The panel cannot be reached.");
  }
  const text = await answer.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : {};
  } catch { /* a page, not an answer: the status says enough */ }
  if (answer.ok && value !== null) return value;
  throw new Refused(sentence(answer.status, value));
}

function sentence(status, value) {
  const told = value?.detail ?? value?.title ?? value?.text;
  if (typeof told === "string" && told) return told;
  if (status === 403) return "You may not do that.";
  if (status === 404) return "That is not there.";
  return `The panel answered ${status}.`;
}

export const ask = (instance, what, args = {}) => call("POST", `/api/v1/instances/${instance}/ask/`, { what, arguments: args });
