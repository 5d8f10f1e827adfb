// Key poses as numbers: what fomm_core/motion/poses.py reads, and what lies between them, by the same formulas.

// Move x, y, then the rows of the map.
export const REST = Object.freeze([0, 0, 1, 0, 0, 1]);

const EASES = ["smooth", "linear", "hold"];

function eased(share) {
  return share ** 3 * (10 + share * (6 * share - 15));
}

export class KeyPoses {
  constructor() {
    this.byFrame = new Map(); // frame -> { ease, points: Map(number -> six numbers) }
  }

  // Any text that is no key poses is taken as none: the block says what is wrong with it when it runs.
  static read(text) {
    const poses = new KeyPoses();
    try {
      const found = JSON.parse(text || "{}");
      for (const pose of found.version === 1 ? (found.poses ?? []) : []) {
        const points = new Map();
        for (const [number, { move = [0, 0], map = [1, 0, 0, 1] }] of Object.entries(pose.points ?? {}))
          points.set(Number(number), [...move, ...map]);
        poses.byFrame.set(pose.frame, { ease: pose.ease ?? "smooth", points });
      }
    } catch {
      return new KeyPoses();
    }
    return poses;
  }

  text() {
    if (!this.byFrame.size) return "";
    const poses = this.frames.map((frame) => {
      const { ease, points } = this.byFrame.get(frame);
      const listed = [...points].sort(([a], [b]) => a - b);
      return {
        frame,
        ease,
        points: Object.fromEntries(listed.map(([number, v]) => [number, { move: v.slice(0, 2), map: v.slice(2) }])),
      };
    });
    return JSON.stringify({ version: 1, poses });
  }

  get frames() {
    return [...this.byFrame.keys()].sort((a, b) => a - b);
  }

  get last() {
    return this.byFrame.size ? Math.max(...this.frames) : 0;
  }

  // A key pose at a frame, as the points stand there. The first one needs one at rest to come from.
  add(frame, ease) {
    if (!this.byFrame.size && frame > 0) this.byFrame.set(0, { ease: "smooth", points: new Map() });
    if (!this.byFrame.has(frame)) {
      const points = new Map();
      for (const number of new Set([...this.byFrame.values()].flatMap((pose) => [...pose.points.keys()])))
        points.set(number, this.at(frame, number));
      this.byFrame.set(frame, { ease: ease ?? "smooth", points });
    }
    if (ease && EASES.includes(ease)) this.byFrame.get(frame).ease = ease;
  }

  remove(frame) {
    this.byFrame.delete(frame);
  }

  set(frame, number, values, ease) {
    this.add(frame, ease);
    this.byFrame.get(frame).points.set(number, [...values]);
  }

  easeAt(frame) {
    const before = this.frames.filter((key) => key <= frame).pop() ?? this.frames[0];
    return before === undefined ? "smooth" : this.byFrame.get(before).ease;
  }

  // The six numbers of a point at a frame.
  at(frame, number) {
    const frames = this.frames;
    if (!frames.length) return [...REST];
    const before = frames.filter((key) => key <= frame).pop() ?? frames[0];
    const after = frames.find((key) => key > before) ?? before;
    const [from, to] = [before, after].map((key) => this.byFrame.get(key).points.get(number) ?? REST);
    let share = Math.min(1, Math.max(0, (frame - before) / Math.max(1, after - before)));
    const { ease } = this.byFrame.get(before);
    if (ease === "smooth") share = eased(share);
    if (ease === "hold") share = share >= 1 ? 1 : 0;
    return from.map((value, place) => value + share * (to[place] - value));
  }
}
