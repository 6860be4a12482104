// SPDX-License-Identifier: Apache-2.0
//
// dom.js: the page's elements, and the three ways to change it. Text of others becomes text, never markup.

// All elements with an id, as el.doorForm for id="door-form".
export const el = Object.fromEntries([...document.querySelectorAll('[id]')]
  .map((element) => [element.id.replace(/-(.)/g, (_, c) => c.toUpperCase()), element]));

// make('p', 'muted', 'Hello', child, …): strings become text.
export function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

export function makeButton(className, text, onClick) {
  const button = make('button', className, text);
  button.type = 'button';
  if (onClick) button.addEventListener('click', onClick);
  return button;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Makes the children of parent these nodes in this order and touches only what differs, so that focus, selection and
// running animations survive.
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const node of nodes) {
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
}
