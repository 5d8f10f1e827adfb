// The canvas of Edit Keypoints: points on the still, key poses on a timeline. What it writes is the text of the widget
// "poses" (fomm_core/motion/poses.py says what it means); nothing else is kept.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { KeyPoses, REST } from "./key_poses.js";
import { capture, Stage } from "./stage.js";

const BLOCK = "FOMM_EditKeypoints";
const KEY = "fomm_canvas";
const HEIGHT = 460;
const MOST_KEPT = 300; // frames of points that are saved with the graph

function element(kind, style, text) {
  const made = document.createElement(kind);
  Object.assign(made.style, style);
  if (text) made.textContent = text;
  return made;
}

function button(text, title, onClick) {
  const made = element("button", { padding: "2px 7px", fontSize: "12px", cursor: "pointer" }, text);
  made.type = "button";
  made.title = title;
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    onClick();
  });
  return made;
}

class Editor {
  constructor(node, widget) {
    this.node = node;
    this.widget = widget;
    this.poses = KeyPoses.read(widget.value);
    this.data = { points: [], frames: 1, groups: {}, jacobians: true };
    this.frame = 0;
    this.selected = new Set();
    this.tool = "move";
    this.playing = false;
    this.recording = null;
    this.undone = [];
    this.root = element("div", { display: "flex", flexDirection: "column", gap: "4px", height: "100%", color: "#ddd" });
    this.root.className = "fomm-edit-keypoints";
    this.stage = new Stage(this);
    this.build();
    this.refresh();
  }

  build() {
    const tools = element("div", { display: "flex", flexWrap: "wrap", gap: "3px" });
    this.toolButtons = {};
    for (const [tool, text, title] of [
      ["move", "Move", "Drag a point, or all that are selected (Shift adds)"],
      ["turn", "Turn", "Drag left and right to turn what follows the selected points"],
      ["scale", "Scale", "Drag right to enlarge, left to shrink"],
      ["stretch", "Stretch", "Drag to stretch along x and y"],
    ]) {
      this.toolButtons[tool] = button(text, title, () => this.choose(tool));
      tools.append(this.toolButtons[tool]);
    }
    tools.append(
      button("Key", "Keep the pose of this frame as a key pose", () => this.edit(() => this.poses.add(this.frame))),
      button("Delete key", "Forget the key pose of this frame", () => this.edit(() => this.poses.remove(this.frame))),
      button("Rest", "Put the selected points, or all, at rest in this frame", () => this.rest()),
      button("Undo", "Take back the last change", () => this.undo()),
      (this.record = button("Record", "Drag points while time runs: each frame becomes a key pose", () => this.toggleRecord())),
      (this.play = button("Play", "Play the poses, or stop", () => this.togglePlay())),
    );
    this.ease = element("select", { fontSize: "12px" });
    this.ease.title = "The way from this key pose to the next";
    for (const ease of ["smooth", "linear", "hold"]) this.ease.append(new Option(ease, ease));
    this.ease.addEventListener("change", () => this.edit(() => this.poses.add(this.frame, this.ease.value)));
    tools.append(this.ease);
    this.groups = element("div", { display: "flex", flexWrap: "wrap", gap: "3px", minHeight: "0" });
    this.timeline = element("canvas", { width: "100%", height: "34px", cursor: "pointer", flex: "none" });
    this.timeline.className = "fomm-timeline";
    this.status = element("div", { fontSize: "11px", opacity: "0.8", minHeight: "15px" });
    this.root.append(tools, this.groups, this.stage.canvas, this.timeline, this.status);
    const seek = (event) => {
      const box = this.timeline.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / Math.max(1, box.width)));
      this.goTo(Math.round(share * (this.length - 1)));
    };
    this.timeline.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      capture(this.timeline, event);
      seek(event);
    });
    this.timeline.addEventListener("pointermove", (event) => event.buttons & 1 && seek(event));
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
  }

  // How many frames there are: those of the performance, or for a still those of the widget "length".
  get length() {
    if (this.data.frames > 1) return this.data.frames;
    const set = Number(this.node.widgets.find((widget) => widget.name === "length")?.value ?? 0);
    return Math.max(1, set || this.poses.last + 1);
  }

  get fps() {
    return Number(this.node.widgets.find((widget) => widget.name === "fps")?.value) || 25;
  }

  base(frame) {
    const rows = this.data.points;
    return rows.length ? rows[Math.min(frame, rows.length - 1)] : [];
  }

  // What a run sent, or a saved graph kept: a cached block is not run again, and would show nothing.
  show(data) {
    if (!Array.isArray(data?.points)) return;
    this.data = data;
    this.node.properties ??= {};
    if (data.points.length <= MOST_KEPT) this.node.properties[KEY] = data;
    else delete this.node.properties[KEY];
    this.selected = new Set([...this.selected].filter((number) => number < this.base(0).length));
    this.groups.replaceChildren(
      ...Object.entries(data.groups ?? {}).map(([name, numbers]) =>
        button(name, "Select the keypoints of this group", () => {
          this.selected = new Set(numbers);
          this.refresh();
        }),
      ),
    );
    if (data.picture) {
      const query = new URLSearchParams({ filename: data.picture, type: "temp", subfolder: "fomm" });
      this.stage.load(api.apiURL(`/view?${query}`));
    } else {
      this.stage.load(null);
    }
    this.goTo(Math.min(this.frame, this.length - 1));
  }

  choose(tool) {
    this.tool = tool;
    this.refresh();
  }

  goTo(frame) {
    this.frame = Math.min(Math.max(0, frame), this.length - 1);
    this.refresh();
  }

  // Any change of the poses goes through here: it can be undone, and is written to the widget.
  edit(change) {
    this.undone.push(this.widget.value);
    if (this.undone.length > 200) this.undone.shift();
    change();
    this.write();
  }

  write() {
    this.widget.value = this.poses.text();
    this.widget.callback?.(this.widget.value);
    this.node.graph?.change?.();
    this.refresh();
  }

  undo() {
    if (!this.undone.length) return;
    this.widget.value = this.undone.pop();
    this.reread();
  }

  reread() {
    this.poses = KeyPoses.read(this.widget.value);
    this.refresh();
  }

  rest() {
    this.edit(() => {
      const numbers = this.selected.size ? [...this.selected] : this.base(0).map((_, number) => number);
      for (const number of numbers) this.poses.set(this.frame, number, REST);
    });
  }

  // A drag changes the pose of this frame; `start` is what it was when the drag began.
  drag(start, change) {
    for (const number of this.selected) this.poses.set(this.frame, number, change(start.get(number), number));
    this.write();
  }

  begin() {
    this.undone.push(this.widget.value);
    return new Map([...this.selected].map((number) => [number, this.poses.at(this.frame, number)]));
  }

  toggleRecord() {
    if (this.recording !== null) return this.stop();
    this.recording = this.frame;
    this.undone.push(this.widget.value);
    this.run();
  }

  togglePlay() {
    if (this.playing) return this.stop();
    this.run();
  }

  run() {
    this.playing = true;
    const began = performance.now();
    const first = this.recording !== null || this.frame < this.length - 1 ? this.frame : 0;
    const step = () => {
      if (!this.playing) return;
      const frame = first + Math.floor(((performance.now() - began) / 1000) * this.fps);
      if (this.recording !== null) this.recordTo(Math.min(frame, this.length - 1));
      if (frame >= this.length && this.recording !== null) return this.stop();
      this.goTo(frame % this.length);
      requestAnimationFrame(step);
    };
    step();
  }

  // While time runs, what is dragged is kept at each frame that goes by, without easing.
  recordTo(frame) {
    const held = this.stage.held;
    for (let passed = this.recording + 1; passed <= frame; passed++) {
      if (held) for (const [number, values] of held) this.poses.set(passed, number, values, "linear");
      this.recording = passed;
    }
    if (held) this.widget.value = this.poses.text();
  }

  stop() {
    this.playing = false;
    if (this.recording !== null) {
      this.recording = null;
      this.write();
    }
    this.refresh();
  }

  refresh() {
    this.stage.draw();
    this.drawTimeline();
    for (const [tool, made] of Object.entries(this.toolButtons)) {
      made.style.outline = tool === this.tool ? "2px solid #fd5" : "none";
      made.disabled = tool !== "move" && !this.data.jacobians;
    }
    this.record.style.background = this.recording === null ? "" : "#a33";
    this.play.textContent = this.playing ? "Stop" : "Play";
    this.ease.value = this.poses.easeAt(this.frame);
    const keys = this.poses.frames.length;
    this.status.textContent = this.base(0).length
      ? `frame ${this.frame} of ${this.length}, ${keys} key pose${keys === 1 ? "" : "s"}, ` +
        `${this.selected.size ? `point${this.selected.size === 1 ? "" : "s"} ${[...this.selected].sort((a, b) => a - b).join(", ")}` : "no point"} selected`
      : "Run the graph once: the points come from Detect Keypoints.";
  }

  drawTimeline() {
    const canvas = this.timeline;
    const width = (canvas.width = Math.max(50, canvas.clientWidth || 300));
    const height = (canvas.height = 34);
    const pen = canvas.getContext("2d");
    const x = (frame) => 6 + ((width - 12) * frame) / Math.max(1, this.length - 1);
    pen.fillStyle = "#22252c";
    pen.fillRect(0, 0, width, height);
    pen.strokeStyle = "#667";
    pen.beginPath();
    pen.moveTo(6, 20);
    pen.lineTo(width - 6, 20);
    pen.stroke();
    pen.fillStyle = "#fd5";
    for (const frame of this.poses.frames) {
      pen.save();
      pen.translate(x(frame), 20);
      pen.rotate(Math.PI / 4);
      pen.fillRect(-4, -4, 8, 8);
      pen.restore();
    }
    pen.fillStyle = "#fff";
    pen.fillRect(x(this.frame) - 1, 4, 2, height - 8);
  }
}

app.registerExtension({
  name: "fomm.EditKeypoints",
  nodeCreated(node) {
    if (node.comfyClass !== BLOCK) return;
    const widget = node.widgets?.find((found) => found.name === "poses");
    if (!widget) return;
    widget.hidden = true;
    widget.options = { ...(widget.options ?? {}), hidden: true };
    const editor = new Editor(node, widget);
    node.fommEditor = editor;
    const canvas = node.addDOMWidget("canvas", "fomm_canvas", editor.root, {
      serialize: false, // not sent
      getMinHeight: () => HEIGHT,
      hideOnZoom: false,
    });
    canvas.serialize = false; // nor saved
    const size = node.size ?? [0, 0];
    node.setSize?.([Math.max(size[0], 420), Math.max(size[1], HEIGHT + 190)]);
    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      executed?.apply(this, arguments);
      if (output?.[KEY]?.[0]) editor.show(output[KEY][0]);
    };
    const configured = node.onConfigure;
    node.onConfigure = function () {
      configured?.apply(this, arguments);
      editor.reread();
      editor.show(node.properties?.[KEY]);
    };
    const removed = node.onRemoved;
    node.onRemoved = function () {
      editor.stop();
      removed?.apply(this, arguments);
    };
    new ResizeObserver(() => editor.refresh()).observe(editor.root);
  },
});
