// The networks that `fomm export` wrote, and the formulas of their fomm.json. Pictures are float32 [1, 3, H, W] in 0..1.

export class Animator {
  static async load(ort, folder) {
    const answer = await fetch(`${folder}/fomm.json`);
    if (!answer.ok) throw new Error(`expected ${folder}/fomm.json, as fomm export writes it; got ${answer.status}`);
    const animator = new Animator();
    animator.ort = ort;
    animator.manifest = await answer.json();
    [animator.height, animator.width] = animator.manifest.pictures.size;
    animator.parts = {};
    for (const [part, { file }] of Object.entries(animator.manifest.files))
      animator.parts[part] = await ort.InferenceSession.create(`${folder}/${file}`);
    return animator;
  }

  async detect(picture) {
    return this.parts.detector.run({ image: picture });
  }

  async setSource(picture) {
    this.source = picture;
    this.keypoints = await this.detect(picture);
    this.encoded = await this.parts.encoder.run({ source: picture });
  }

  // One frame; without an anchor this driving frame becomes it.
  async step(driving) {
    const seen = await this.detect(driving);
    this.anchor ??= seen;
    const moved = this.transfer(seen);
    const inputs = { source: this.source, ...this.encoded };
    for (const [name, value] of Object.entries(this.keypoints)) inputs[`source_${name}`] = value;
    for (const [name, value] of Object.entries(moved)) inputs[`driving_${name}`] = value;
    return (await this.parts.animator.run(inputs)).frame;
  }

  transfer(driving) {
    const { strength, adapt_scale, smallest_hull_area, smallest_determinant } = this.manifest.transfer;
    const [from, now, rest] = [this.keypoints, driving, this.anchor].map((one) => one.position.data);
    const areas = [hullArea(from), hullArea(rest)];
    const scale = adapt_scale && Math.min(...areas) >= smallest_hull_area ? Math.sqrt(areas[0] / areas[1]) : 1;
    const position = from.map((value, i) => value + (now[i] - rest[i]) * scale * strength);
    const moved = { position: new this.ort.Tensor("float32", position, this.keypoints.position.dims) };
    if (!this.keypoints.jacobian) return moved;
    const [own, turned, before] = [this.keypoints, driving, this.anchor].map((one) => one.jacobian.data);
    const jacobian = new Float32Array(own.length);
    for (let k = 0; k < own.length; k += 4) {
      const change = times(turned.slice(k, k + 4), inverse(before.slice(k, k + 4), smallest_determinant))
        .map((value, i) => (i % 3 ? 0 : 1) + (value - (i % 3 ? 0 : 1)) * strength);
      jacobian.set(times(change, own.slice(k, k + 4)), k);
    }
    moved.jacobian = new this.ort.Tensor("float32", jacobian, this.keypoints.jacobian.dims);
    return moved;
  }
}

// Of 2x2 matrices [a, b, c, d].
const times = (m, n) => [
  m[0] * n[0] + m[1] * n[2], m[0] * n[1] + m[1] * n[3],
  m[2] * n[0] + m[3] * n[2], m[2] * n[1] + m[3] * n[3],
];

function inverse([a, b, c, d], smallest) {
  let product = a * d - b * c;
  if (Math.abs(product) < smallest) product = product < 0 ? -smallest : smallest;
  return [d / product, -b / product, -c / product, a / product];
}

// Area of the convex hull of x, y, x, y, ... (Andrew's monotone chain).
export function hullArea(flat) {
  const points = [];
  for (let i = 0; i < flat.length; i += 2) points.push([flat[i], flat[i + 1]]);
  points.sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const chain = (along) => {
    const hull = [];
    for (const point of along) {
      while (hull.length > 1 && turn(hull.at(-2), hull.at(-1), point) <= 0) hull.pop();
      hull.push(point);
    }
    return hull.slice(0, -1);
  };
  const hull = [...chain(points), ...chain(points.toReversed())];
  return Math.abs(hull.reduce((sum, p, i) => {
    const q = hull[(i + 1) % hull.length];
    return sum + p[0] * q[1] - q[0] * p[1];
  }, 0)) / 2;
}

// The middle of an image or video, drawn on a canvas and read from it.
export function pixels(ort, canvas, picture) {
  const [wide, high] = [picture.videoWidth || picture.naturalWidth || picture.width, picture.videoHeight || picture.naturalHeight || picture.height];
  const share = Math.min(wide / canvas.width, high / canvas.height);
  const [w, h] = [canvas.width * share, canvas.height * share];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, (wide - w) / 2, (high - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const plane = canvas.width * canvas.height;
  const values = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i += 1)
    for (let c = 0; c < 3; c += 1) values[c * plane + i] = data[4 * i + c] / 255;
  return new ort.Tensor("float32", values, [1, 3, canvas.height, canvas.width]);
}

export function draw(canvas, frame) {
  const [, , height, width] = frame.dims;
  const plane = height * width;
  const image = new ImageData(width, height);
  for (let i = 0; i < plane; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = Math.round(frame.data[c * plane + i] * 255);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
