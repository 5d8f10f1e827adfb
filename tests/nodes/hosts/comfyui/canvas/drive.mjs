// Drives the canvas of Edit Keypoints without a browser: a page of a few stubs, a node with its widgets, and a pointer.
// Usage: node drive.mjs FOLDER, where FOLDER/extensions/fomm/js holds our scripts and FOLDER/scripts the front end's stubs.
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(`${process.argv[2]}/`);

class Element {
  constructor(kind) {
    this.kind = kind;
    this.style = {};
    this.listeners = {};
    this.children = [];
    this.clientWidth = this.clientHeight = 400;
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
  addEventListener(name, does) {
    (this.listeners[name] ??= []).push(does);
  }
  fire(name, event = {}) {
    for (const does of this.listeners[name] ?? []) does({ stopPropagation() {}, ...event });
  }
  getBoundingClientRect() {
    return { left: 10, top: 20, width: 400, height: 400 };
  }
  getContext() {
    return new Proxy({}, { get: (held, name) => held[name] ?? (() => undefined), set: (held, name, value) => ((held[name] = value), true) });
  }
}
globalThis.document = { createElement: (kind) => new Element(kind) };
globalThis.Option = class extends Element {};
globalThis.ResizeObserver = class {
  observe() {}
};
globalThis.Image = class {};

const { app } = await import(new URL("scripts/app.js", folder));
await import(new URL("extensions/fomm/js/edit_keypoints.js", folder));
const { KeyPoses } = await import(new URL("extensions/fomm/js/key_poses.js", folder));

function makeNode(poses) {
  const node = {
    comfyClass: "FOMM_EditKeypoints",
    widgets: [
      { name: "poses", value: poses },
      { name: "length", value: 40 },
      { name: "fps", value: 25 },
    ],
    size: [100, 100],
    addDOMWidget(name) {
      return (this.canvas = { name });
    },
    setSize() {},
  };
  app.extension.nodeCreated(node);
  return node;
}

const points = [[[-0.5, -0.25], [0.125, 0.3], [0.4, -0.1]]];
const node = makeNode("");
const editor = node.fommEditor;
node.onExecuted({ fomm_canvas: [{ points, frames: 1, groups: { mouth: [0, 2] }, jacobians: true }] });
const stage = editor.stage.canvas;
const said = { untouched: node.widgets[0].value, canvasSaved: node.canvas.serialize };

function drag(number, dx, dy, shiftKey = false) {
  const [x, y] = editor.stage.toCanvas(editor.stage.point(number));
  const at = (px, py) => ({ clientX: 10 + px, clientY: 20 + py, pointerId: 1, shiftKey });
  stage.fire("pointerdown", at(x, y));
  stage.fire("pointermove", at(x + dx / 2, y + dy / 2));
  stage.fire("pointermove", at(x + dx, y + dy));
  stage.fire("pointerup", at(x + dx, y + dy));
}

editor.goTo(10);
drag(1, 40, -20);
said.moved = node.widgets[0].value;
editor.choose("turn");
drag(1, 50, 0);
editor.choose("scale");
drag(1, 13, 0);
editor.choose("stretch");
drag(1, 7, 9);
editor.choose("move");
editor.groups.children[0].fire("click"); // the group: two points at once
said.selected = [...editor.selected];
editor.goTo(25);
drag(2, -31, 17);
editor.goTo(33);
editor.selected = new Set();
editor.rest();
said.value = node.widgets[0].value;

const again = makeNode("");
again.widgets[0].value = said.value; // a saved graph sets values, then configures
again.properties = JSON.parse(JSON.stringify(node.properties));
again.onConfigure();
said.kept = again.fommEditor.base(0).length;
again.fommEditor.edit(() => {});
said.again = again.widgets[0].value;

editor.edit(() => editor.poses.remove(25));
said.removed = node.widgets[0].value !== said.value;
editor.undo();
said.undone = node.widgets[0].value;

const poses = KeyPoses.read(said.value);
said.rows = Array.from({ length: 40 }, (_, frame) => [0, 1, 2].map((number) => poses.at(frame, number)));
said.points = points;
console.log(JSON.stringify(said));
