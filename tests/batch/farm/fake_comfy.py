"""A server that speaks as ComfyUI does, does nothing, and fails in the ways that a test asks for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import re
import struct
import sys
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KNOWN = {"LoadImage", "PlainLoader", "Slow", "Broken", "SaveImage", "PreviewImage", "SaveNothing"}

_FILE = [["a.png"], {"image_upload": True}]
OBJECT_INFO = {
    "LoadImage": {"input": {"required": {"image": _FILE}}, "output": ["IMAGE", "MASK"], "display_name": "Load Image"},
    "Slow": {"input": {}, "output": [], "display_name": "Slow", "output_node": True},
}


NO_ID = {"error": {"type": "invalid_prompt_id", "message": "prompt_id must be a valid UUID"}, "node_errors": {}}
"""Of ComfyUI 0.33, which takes only the canonical form."""


class Ended(Exception):
    """A prompt ends before all of its nodes have run; what the server tells of it."""

    def __init__(self, kind: str, **told: Any) -> None:
        super().__init__(kind)
        self.kind, self.told = kind, told


class FakeComfy:
    """One server on a port of its own.

    known: its node classes. others: prompts of other people that wait before ours.
    hold: keeps "Slow" nodes at work until it is set. status, answer: what every request gets instead of sense.
    silent: takes connections and says nothing until it is set again. loses: forgets a prompt once it has taken it.
    """

    def __init__(self, port: int = 0, handler: type[_Handler] | None = None) -> None:
        self.began = time.monotonic()
        self.known = set(KNOWN)
        self.others = 0
        self.hold = threading.Event()
        self.status = 0
        self.silent = threading.Event()
        self.answer = b""
        self.cut_downloads = 0
        self.max_upload = 1 << 20
        self.websocket = True
        self.loses = 0
        self.inputs: dict[str, bytes] = {}
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.uploads: list[str] = []
        self.ran: list[str] = []
        self.running: str | None = None
        self.pending: list[tuple[str, dict, str]] = []
        self.history: dict[str, dict] = {}
        self.sockets: dict[str, Any] = {}
        self.interrupted = threading.Event()
        self._wake = threading.Condition()
        self._dead = threading.Event()
        fake = self

        class Handler(handler or _Handler):
            server_of = fake

        self._http = _Quiet(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._connections: set[Any] = set()
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self._work, daemon=True).start()

    def die(self) -> None:
        """As `kill -9` does it."""
        if self._dead.is_set():
            return
        self._dead.set()
        self.hold.set()
        self.silent.clear()
        self._http.shutdown()
        self._http.server_close()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def forget(self) -> None:
        """As if it had been started again: nothing in the queue, nothing in the history."""
        with self._wake:
            self.pending.clear()
            self.history.clear()
            self.running = None
        self.interrupted.set()
        self.hold.set()

    # ----- the work

    def submit(self, prompt: str, graph: dict, client: str) -> None:
        with self._wake:
            if self.loses:
                self.loses -= 1
                return
            self.pending.append((prompt, graph, client))
            self._wake.notify()

    def _work(self) -> None:
        while not self._dead.is_set():
            with self._wake:
                if not self._wake.wait_for(lambda: self.pending or self._dead.is_set(), 0.2) or self._dead.is_set():
                    continue
                prompt, graph, client = self.pending.pop(0)
                self.running = prompt
                self.interrupted.clear()
            entry = self._execute(prompt, graph, client)
            with self._wake:
                if self.running == prompt:
                    self.running = None
                    self.history[prompt] = entry
                    self.ran.append(prompt)

    def _execute(self, prompt: str, graph: dict, client: str) -> dict:
        messages: list[list] = []
        outputs: dict[str, dict] = {}

        def tell(kind: str, **data: Any) -> None:
            data["prompt_id"] = prompt
            if kind.startswith("execution"):
                messages.append([kind, data])
            self.send(client, {"type": kind, "data": data})

        tell("execution_start")
        tell("execution_cached", nodes=self._cached(graph))
        try:
            self._run(prompt, graph, tell, outputs)
            tell("execution_success")
        except Ended as ended:
            tell(ended.kind, **ended.told)
        tell("executing", node=None)
        good = any(kind == "execution_success" for kind, _ in messages)
        status = {"status_str": "success" if good else "error", "completed": good, "messages": messages}
        return {"outputs": outputs, "status": status}

    def _cached(self, graph: dict) -> list[str]:
        return []

    def _run(self, prompt: str, graph: dict, tell: Callable[..., None], outputs: dict[str, dict]) -> None:
        for key, node in graph.items():
            kind, inputs = node["class_type"], node["inputs"]
            tell("executing", node=key)
            tell("progress", node=key, value=1, max=2)
            if kind == "Slow":
                while not (self.hold.wait(0.02) or self.interrupted.is_set() or self._dead.is_set()):
                    pass
            if self.interrupted.is_set():
                raise Ended("execution_interrupted", node_id=key)
            if kind == "Broken":
                problem = {"exception_type": "RuntimeError", "exception_message": "too wide\n"}
                raise Ended("execution_error", node_id=key, traceback=["  File x\n", "  too wide\n"], **problem)
            if kind in {"SaveImage", "PreviewImage"}:
                outputs[key] = {"images": self._save(graph, inputs, kind), "animated": [False]}

    def _save(self, graph: dict, inputs: dict, kind: str) -> list[dict]:
        folder, _, stem = inputs.get("filename_prefix", "").rpartition("/")
        place = "temp" if kind == "PreviewImage" else "output"
        content = b"".join(self.inputs[n["inputs"]["image"]] for n in graph.values() if n["class_type"] == "LoadImage")
        shown = []
        for index in range(inputs.get("count", 1)):
            file = io.BytesIO()
            colour = tuple(hashlib.sha256(content + bytes([index])).digest()[:3])
            Image.new("RGB", (4, 4), colour).save(file, "png")
            name = f"{stem}_{index:05d}_.png"
            self.files[name, folder, place] = file.getvalue()
            shown.append({"filename": name, "subfolder": folder, "type": place})
        return shown

    def check(self, graph: dict) -> dict | None:
        """The body of a refusal; None where the graph is fine."""
        errors: dict[str, dict] = {}
        for key, node in graph.items():
            kind, value = node["class_type"], node["inputs"].get("image")
            if kind not in self.known:
                message = f"Cannot execute because node {kind} does not exist."
                about = {"node_id": key, "class_type": kind, "node_title": node.get("_meta", {}).get("title")}
                error = {"type": "missing_node_type", "message": message, "details": f"#{key}", "extra_info": about}
                return {"error": error, "node_errors": {}}
            problem = None
            if kind == "LoadImage" and value not in self.inputs:
                problem = {"type": "custom_validation_failed", "message": "Invalid image file", "details": str(value)}
            elif kind == "PlainLoader" and (value not in self.inputs or "/" in value):
                problem = {"type": "value_not_in_list", "message": "Value not in list", "details": f"image: {value!r}"}
            elif kind == "SaveImage" and node["inputs"].get("size", 64) < 1:
                problem = {
                    "type": "value_smaller_than_min",
                    "message": "Value 0 smaller than min of 1",
                    "details": "size",
                }
            if problem:
                problem["extra_info"] = {"input_name": "image"}
                errors[key] = {"errors": [problem], "dependent_outputs": [], "class_type": kind}
        if errors:
            overall = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}
            return {"error": overall, "node_errors": errors}
        return None

    def send(self, client: str, event: dict) -> None:
        body = json.dumps(event).encode()
        head = bytes([0x81]) + (bytes([len(body)]) if len(body) < 126 else bytes([126]) + struct.pack(">H", len(body)))
        with contextlib.suppress(OSError, KeyError):
            self.sockets[client].sendall(head + body)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *told: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client that hung up
            super().handle_error(*told)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: FakeComfy

    def log_message(self, *_: Any) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.fake = self.server_of
        self.fake._connections.add(self.request)

    def finish(self) -> None:
        self.fake._connections.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()

    def reply(self, body: Any, status: int = 200, length: int | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def troubled(self) -> bool:
        while self.fake.silent.is_set():
            time.sleep(0.02)
        if self.fake._dead.is_set():
            self.close_connection = True
        elif self.fake.answer:
            self.reply(self.fake.answer)
        elif self.fake.status:
            self.reply(b"no", self.fake.status)
        else:
            return False
        return True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.troubled():
            return
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        fake = self.fake
        if parts.path == "/ws":
            self.socket(query["clientId"])
        elif parts.path == "/prompt":
            self.reply({"exec_info": {"queue_remaining": len(fake.pending) + bool(fake.running) + fake.others}})
        elif parts.path == "/queue":
            running = [[0, fake.running, {}]] if fake.running else []
            self.reply({"queue_running": running, "queue_pending": [[0, p, {}] for p, _, _ in fake.pending]})
        elif parts.path.startswith("/history/"):
            prompt = parts.path.rpartition("/")[2]
            self.reply({prompt: fake.history[prompt]} if prompt in fake.history else {})
        elif parts.path == "/object_info":
            self.reply(OBJECT_INFO)
        elif parts.path == "/view":
            self.view(query["filename"], query["subfolder"], query["type"])
        else:
            self.reply({}, 404)

    def view(self, name: str, folder: str, place: str) -> None:
        if place == "input":
            content = self.fake.inputs.get(f"{folder}/{name}".lstrip("/"))
        else:
            content = self.fake.files.get((name, folder, place))
        if content is None:
            self.reply(b"", 404)
        elif self.fake.cut_downloads and self.command == "GET":
            self.fake.cut_downloads -= 1
            self.reply(content[: len(content) // 2], length=len(content))
            self.close_connection = True
        else:
            self.reply(content)

    def socket(self, client: str) -> None:
        if not self.fake.websocket:
            self.reply(b"", 404)
            return
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest())
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.decode()),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.fake.sockets[client] = self.request
        with contextlib.suppress(OSError):
            while self.request.recv(1024):  # what comes is a farewell
                break
        self.fake.sockets.pop(client, None)
        self.close_connection = True

    def do_POST(self) -> None:
        body = self.body()
        if self.troubled():
            return
        fake = self.fake
        if self.path == "/upload/image":
            self.upload(body)
            return
        value = json.loads(body)
        if self.path == "/prompt":
            refusal = fake.check(value["prompt"]) if str(uuid.UUID(value["prompt_id"])) == value["prompt_id"] else NO_ID
            if refusal is None:
                fake.submit(value["prompt_id"], value["prompt"], value["client_id"])
            self.reply(refusal or {"prompt_id": value["prompt_id"], "node_errors": {}}, 400 if refusal else 200)
        elif self.path == "/queue":
            fake.pending[:] = [entry for entry in fake.pending if entry[0] not in value["delete"]]
            self.reply(b"")
        elif self.path == "/interrupt":
            if fake.running == value["prompt_id"]:
                fake.interrupted.set()
            self.reply(b"")

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def upload(self, body: bytes) -> None:
        if len(body) > self.fake.max_upload:
            self.reply(b"", 413)
            return
        boundary = re.search(r"boundary=(\S+)", self.headers["Content-Type"])[1].encode()
        fields, name = {}, ""
        for part in body.split(b"--" + boundary)[1:-1]:
            head, _, content = part[2:-2].partition(b"\r\n\r\n")
            field_name = re.search(rb'name="([^"]*)"', head)[1].decode()
            fields[field_name] = content
            if found := re.search(rb'filename="([^"]*)"', head):
                name = found[1].decode()
        place = f"{fields['subfolder'].decode()}/{name}".lstrip("/")
        self.fake.inputs[place] = fields["image"]
        self.fake.uploads.append(place)
        self.reply({"name": name, "subfolder": fields["subfolder"].decode(), "type": "input"})
