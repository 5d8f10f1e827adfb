// The picture with its points, and what the pointer does to them.
import { REST } from "./key_poses.js";

const RADIUS = 6;
const NEAR = 14;

function colour(number, count) {
  return `hsl(${(360 * number) / Math.max(1, count)}deg ${number % 2 ? 90 : 70}% 55%)`;
}

// So that a drag goes on outside; a pointer that is gone already cannot be held.
export function capture(element, event) {
  try {
    element.setPointerCapture(event.pointerId);
  } catch {
    // the drag then ends at the border
  }
}

// Rows of a map times rows of another.
function times([a, b, c, d], [e, f, g, h]) {
  return [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h];
}

export class Stage {
  constructor(editor) {
    this.editor = editor;
    this.picture = null;
    this.held = null;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "fomm-stage";
    Object.assign(this.canvas.style, { width: "100%", flex: "1 1 auto", minHeight: "0", touchAction: "none", cursor: "crosshair" });
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, (event) => this.up(event));
  }

  load(url) {
    if (!url) {
      this.picture = null;
      return this.draw();
    }
    const image = new Image();
    image.onload = () => {
      this.picture = image;
      this.draw();
    };
    image.onerror = () => {
      this.picture = null; // of an earlier session: the next run brings it again
      this.draw();
    };
    image.src = url;
  }

  // Where the picture lies on the canvas, in its pixels: as large as it fits.
  get box() {
    const [width, height] = [this.canvas.width, this.canvas.height];
    const shape = this.picture ? this.picture.naturalWidth / this.picture.naturalHeight : 1;
    const w = Math.min(width, height * shape);
    return { left: (width - w) / 2, top: (height - w / shape) / 2, width: w, height: w / shape };
  }

  // Position -1..1 (corner-aligned) to pixels of the canvas.
  toCanvas([x, y]) {
    const { left, top, width, height } = this.box;
    return [left + ((x + 1) / 2) * width, top + ((y + 1) / 2) * height];
  }

  point(number) {
    const [x, y] = this.editor.base(this.editor.frame)[number];
    const [dx, dy] = this.editor.poses.at(this.editor.frame, number);
    return [x + dx, y + dy];
  }

  at(event) {
    const area = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - area.left) * this.canvas.width) / Math.max(1, area.width),
      ((event.clientY - area.top) * this.canvas.height) / Math.max(1, area.height),
    ];
  }

  down(event) {
    event.stopPropagation();
    const { editor } = this;
    const where = this.at(event);
    let best = null;
    for (let number = 0; number < editor.base(0).length; number++) {
      const [x, y] = this.toCanvas(this.point(number));
      const away = Math.hypot(x - where[0], y - where[1]);
      if (away <= NEAR && (best === null || away < best.away)) best = { number, away };
    }
    if (best === null) {
      if (!event.shiftKey && editor.tool === "move") editor.selected.clear();
    } else if (event.shiftKey) {
      if (!editor.selected.delete(best.number)) editor.selected.add(best.number);
    } else if (!editor.selected.has(best.number)) {
      editor.selected = new Set([best.number]);
    }
    if (editor.selected.size && (best !== null || editor.tool !== "move") && !event.shiftKey) {
      capture(this.canvas, event);
      this.grip = { where, start: editor.begin(), changed: false };
    }
    editor.refresh();
  }

  move(event) {
    if (!this.grip) return;
    event.stopPropagation();
    const [x, y] = this.at(event);
    const { width, height } = this.box;
    const across = (2 * (x - this.grip.where[0])) / Math.max(1, width);
    const down = (2 * (y - this.grip.where[1])) / Math.max(1, height);
    const change = this.change(across, down);
    this.grip.changed = true;
    this.held = new Map([...this.grip.start].map(([number, values]) => [number, change(values)]));
    this.editor.drag(this.grip.start, change);
  }

  // What a drag of so much does to a point's six numbers, by the tool.
  change(across, down) {
    const { tool } = this.editor;
    if (tool === "move") return (v = REST) => [v[0] + across, v[1] + down, ...v.slice(2)];
    let by = [1, 0, 0, 1];
    if (tool === "turn") {
      const angle = across * Math.PI;
      by = [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)];
    } else if (tool === "scale") {
      by = [Math.exp(across), 0, 0, Math.exp(across)];
    } else {
      by = [Math.exp(across), 0, 0, Math.exp(-down)];
    }
    return (v = REST) => [v[0], v[1], ...times(by, v.slice(2))];
  }

  up(event) {
    if (!this.grip) return;
    event.stopPropagation();
    if (!this.grip.changed) this.editor.undone.pop();
    this.grip = null;
    this.held = null;
    this.editor.refresh();
  }

  draw() {
    const { canvas, editor } = this;
    const [width, height] = [Math.max(50, canvas.clientWidth || 300), Math.max(50, canvas.clientHeight || 300)];
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#17191e";
    pen.fillRect(0, 0, width, height);
    const { left, top, width: w, height: h } = this.box;
    if (this.picture) pen.drawImage(this.picture, left, top, w, h);
    const count = editor.base(0).length;
    for (let number = 0; number < count; number++) {
      const [x, y] = this.toCanvas(this.point(number));
      const [bx, by] = this.toCanvas(editor.base(editor.frame)[number]);
      const [, , a, b, c, d] = editor.poses.at(editor.frame, number);
      pen.strokeStyle = "#ffffff88";
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(bx, by);
      pen.lineTo(x, y);
      pen.stroke();
      pen.strokeStyle = colour(number, count);
      if (a !== 1 || b || c || d !== 1) {
        pen.beginPath(); // where the map sends a small circle
        for (let step = 0; step <= 32; step++) {
          const [u, v] = [Math.cos((step * Math.PI) / 16), Math.sin((step * Math.PI) / 16)];
          pen.lineTo(x + 18 * (a * u + b * v), y + 18 * (c * u + d * v));
        }
        pen.stroke();
      }
      pen.beginPath();
      pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
      pen.fillStyle = colour(number, count);
      pen.fill();
      pen.lineWidth = editor.selected.has(number) ? 3 : 1;
      pen.strokeStyle = editor.selected.has(number) ? "#fff" : "#000";
      pen.stroke();
      pen.fillStyle = "#fff";
      pen.strokeStyle = "#000";
      pen.font = "11px sans-serif";
      pen.lineWidth = 2;
      pen.strokeText(String(number), x + 8, y - 6);
      pen.fillText(String(number), x + 8, y - 6);
    }
  }
}
