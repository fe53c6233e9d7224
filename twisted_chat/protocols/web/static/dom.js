// Elements out of words. What is shown becomes a text node: no text is ever read as HTML.

// An element with these properties and attributes, and these children: elements or texts.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const name in properties) {
    if (name === "className" || name in element) element[name] = properties[name];
    else element.setAttribute(name, properties[name]);
  }
  element.append(...children);
  return element;
}

export function find(selector, within = document) {
  return within.querySelector(selector);
}

// Set a text, if it is another: what has not changed is not to be drawn, or read out, again.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A circle that stands for a person.
export function face(hue, letter) {
  return make("span", { className: `face hue-${hue}`, "aria-hidden": "true" }, letter);
}
