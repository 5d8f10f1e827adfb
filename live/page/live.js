// Sends the camera's frames, shows what comes back. Messages: see server.py.
const byId = (id) => document.getElementById(id);
const LONGEST = 480; // pixels of a camera's frame on its way
const MOST_UNDERWAY = 2; // frames sent and not answered yet
const SMOOTHING = 0.1; // share of a new value in what is shown
const MOST_TRIPS = 1000;

const socket = new WebSocket(`ws://${location.host}${location.pathname}socket`);
socket.binaryType = "arraybuffer";
const state = { sources: [], source: 0, mirror: false, smooth: true, strength: 1, groups: {}, recording: false };
let underway = 0;
let camera = null;
let roundTrip = null;
const trips = []; // ms from a camera's frame to its result on the page
let last = null;

const wish = (what, value) => socket.send(JSON.stringify({ do: what, value }));
const say = (text) => { byId("said").textContent = text; };

function showState(news) {
  Object.assign(state, news);
  byId("mirror").checked = state.mirror;
  byId("smooth").checked = state.smooth;
  byId("strength").value = state.strength;
  byId("strength-value").textContent = `${Math.round(state.strength * 100)} %`;
  byId("record").setAttribute("aria-pressed", state.recording);
  byId("driver-name").textContent = state.driver ?? "your camera";
  byId("result-name").textContent = state.sources[state.source] + (state.virtual ? `, shown on ${state.virtual} too` : "");
  byId("sources").replaceChildren(...state.sources.map((name, index) => {
    const button = document.createElement("button");
    const key = document.createElement("kbd");
    key.textContent = index + 1;
    button.append(`${name} `, ...(index < 9 ? [key] : []));
    button.setAttribute("aria-pressed", index === state.source);
    button.addEventListener("click", () => wish("source", index));
    return button;
  }));
  showGroups();
  say(state.ended || state.said || "");
  if (!state.driver && !camera) openCamera();
}

function showGroups() {
  const row = byId("groups");
  for (const [name, share] of Object.entries(state.groups)) {
    let input = document.getElementById(`share-${name}`);
    if (!input) {
      input = Object.assign(document.createElement("input"), { id: `share-${name}`, type: "range", max: 1, step: 0.05 });
      input.addEventListener("input", () => wish(name, Number(input.value)));
      const label = document.createElement("label");
      label.append(`${name} `, input);
      row.append(label);
    }
    input.value = share;
  }
}

async function openCamera() {
  camera = document.createElement("video");
  camera.muted = true;
  try {
    camera.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, frameRate: 30 } });
    await camera.play();
    camera.requestVideoFrameCallback(sendFrame);
  } catch (problem) {
    say(`The camera can't be used (${problem.name}: ${problem.message}). Allow it for this page, then reload.`);
  }
}

async function sendFrame() {
  camera.requestVideoFrameCallback(sendFrame);
  if (underway >= MOST_UNDERWAY || socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > 0) return;
  underway += 1;
  const stamp = performance.now();
  const share = Math.min(1, LONGEST / Math.max(camera.videoWidth, camera.videoHeight));
  const canvas = new OffscreenCanvas(Math.round(camera.videoWidth * share), Math.round(camera.videoHeight * share));
  canvas.getContext("2d").drawImage(camera, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
  const message = new Uint8Array(8 + blob.size);
  new DataView(message.buffer).setFloat64(0, stamp, true);
  message.set(new Uint8Array(await blob.arrayBuffer()), 8);
  socket.send(message);
}

async function showFrame(data) {
  const view = new DataView(data);
  const [headerSize, driverSize] = [view.getUint32(0, true), view.getUint32(4, true)];
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 8, headerSize)));
  const bytes = (start, size) => createImageBitmap(new Blob([new Uint8Array(data, start, size)], { type: "image/jpeg" }));
  const result = await bytes(8 + headerSize + driverSize, data.byteLength - 8 - headerSize - driverSize);
  const picture = driverSize ? await bytes(8 + headerSize, driverSize) : camera;
  drawDriver(picture, header);
  const canvas = byId("result");
  if (canvas.width !== result.width || canvas.height !== result.height) {
    canvas.width = result.width;
    canvas.height = result.height;
  }
  canvas.getContext("2d").drawImage(result, 0, 0);
  result.close();
  if (driverSize) picture.close();
  if (!driverSize) {
    underway = Math.max(0, underway - 1);
    const took = performance.now() - header.stamp;
    trips.push(took);
    if (trips.length > MOST_TRIPS) trips.shift();
    roundTrip = roundTrip === null ? took : roundTrip + SMOOTHING * (took - roundTrip);
  }
  showFigures(header);
}

function drawDriver(picture, { box, aspect, face, inside }) {
  const canvas = byId("driver");
  const height = Math.round(canvas.width * aspect);
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context.save();
  if (state.mirror) {
    context.translate(canvas.width, 0);
    context.scale(-1, 1);
  }
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  context.strokeStyle = face && inside ? "#7bd88f" : "#f2a65a";
  context.lineWidth = 2;
  const [left, top, side] = box.map((value) => value * canvas.width);
  context.strokeRect(left, top, side, side);
  context.restore();
}

function showFigures(header) {
  last = header;
  const parts = [`${header.fps.toFixed(1)} fps`, `${header.latency.toFixed(0)} ms in to out`];
  if (roundTrip !== null) parts.push(`${roundTrip.toFixed(0)} ms camera to page`);
  parts.push(`${header.cpu.toFixed(0)} ms CPU a frame`, `${header.size.join("×")} ${header.precision}`);
  if (state.recording) parts.push(`recording, ${header.recorded} frames`);
  byId("figures").textContent = parts.join(" · ");
  if (!header.face) say("No face is seen: the square stays where it was.");
  else if (!header.inside) say("The face leaves the square: press A to find it anew.");
  else if (byId("said").textContent.startsWith("No face") || byId("said").textContent.startsWith("The face")) say("");
}

socket.addEventListener("message", ({ data }) => {
  if (typeof data === "string") showState(JSON.parse(data));
  else showFrame(data);
});
socket.addEventListener("close", ({ reason }) => say(reason === "opened elsewhere"
  ? "The page was opened elsewhere; reload to have it here." : "fomm live has ended."));
setInterval(() => { underway = Math.max(0, underway - 1); }, 2000); // frames that were dropped are not answered

byId("anchor").addEventListener("click", () => wish("anchor"));
byId("mirror").addEventListener("change", (event) => wish("mirror", event.target.checked));
byId("smooth").addEventListener("change", (event) => wish("smooth", event.target.checked));
byId("strength").addEventListener("input", (event) => wish("strength", Number(event.target.value)));
byId("record").addEventListener("click", () => wish("record", !state.recording));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  if (key === "a") wish("anchor");
  else if (key === "m") wish("mirror", !state.mirror);
  else if (key === "s") wish("smooth", !state.smooth);
  else if (key === "r") wish("record", !state.recording);
  else if (/^[1-9]$/.test(key) && Number(key) <= state.sources.length) wish("source", Number(key) - 1);
});
globalThis.fommLive = { state, last: () => last, roundTrip: () => roundTrip, trips };
