// JSON merge patches, RFC 7396, as proxycore/messages/patch.py makes them: null removes, lists are values.

export function merge(tree, patch) {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      delete tree[key];
    } else if (isObject(value)) {
      if (!isObject(tree[key])) tree[key] = {};
      merge(tree[key], value);
    } else {
      tree[key] = value;
    }
  }
  return tree;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
