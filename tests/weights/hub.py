"""A model hub on 127.0.0.1 that serves one folder: the listing with checksums, files, and redirects for large ones.

It can lie about a checksum, break connections off, be slow, and it remembers what was asked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

REPO = "stable-diffusion-v1-5/stable-diffusion-v1-5"
LARGE = (".safetensors", ".ckpt", ".bin")


def half_precision(toy: Path, folder: Path) -> Path:
    """A copy of a model as the hub has it: weights named fp16, and beside them what nobody needs."""
    shutil.copytree(toy, folder)
    for part in ("unet", "vae", "text_encoder"):
        for path in list((folder / part).glob("*.safetensors")):
            path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))
            path.write_bytes(b"full precision")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "model.fp16.safetensors").write_bytes(b"not wanted")
    (folder / "v1-5-pruned.ckpt").write_bytes(b"not wanted")
    (folder / "README.md").write_text("# A toy\n")
    return folder


class Hub:
    """``with Hub(folder) as hub: fetch(..., endpoint=hub.url)``."""

    def __init__(self, folder: Path, commit: str = "c" * 40) -> None:
        self.folder, self.commit = folder, commit
        self.lies: dict[str, bytes] = {}
        self.break_at: dict[str, int] = {}
        self.pause_s = 0.0
        self.asked: list[tuple[str, str | None, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self.http.shutdown()
        self.http.server_close()

    def files(self, ending: str = "") -> list[str]:
        """The names of the files whose bytes were asked for, in order."""
        return [name for name, _, _ in self.asked if name.endswith(ending)]

    def listing(self) -> dict[str, Any]:
        """What the hub says of the folder."""
        siblings = []
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            row = {"rfilename": path.relative_to(self.folder).as_posix(), "size": len(data), "blobId": blob}
            if path.suffix in LARGE:
                sha256 = hashlib.sha256(data).hexdigest()
                row["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 130}
            siblings.append(row)
        return {"_id": "1", "id": REPO, "modelId": REPO, "sha": self.commit, "tags": [], "siblings": siblings}

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        path, _, query = asked.path.partition("?")
        files = f"/{REPO}/resolve/{self.commit}/"
        if path == f"/api/models/{REPO}" and query.lower() == "blobs=true":
            self.send(asked, 200, json.dumps(self.listing()).encode(), {"Content-Type": "application/json"})
        elif path.startswith(files) and path.endswith(LARGE):
            self.send(asked, 302, b"", {"Location": f"/elsewhere/{path.removeprefix(files)}"})
        elif path.startswith((files, "/elsewhere/")):
            self.file(asked, path.removeprefix(files).removeprefix("/elsewhere/"))
        else:
            self.send(asked, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def file(self, asked: BaseHTTPRequestHandler, name: str) -> None:
        wanted = asked.headers.get("Range")
        self.asked.append((name, wanted, asked.headers.get("Authorization")))
        data = self.lies.get(name) or (self.folder / name).read_bytes()
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        stop = self.break_at.pop(name, len(data))
        asked.send_response(206 if wanted else 200)
        asked.send_header("Content-Length", str(len(data) - start))
        asked.end_headers()
        for at in range(start, stop, 1 << 16):
            asked.wfile.write(data[at : min(at + (1 << 16), stop)])
            time.sleep(self.pause_s)

    @staticmethod
    def send(asked: BaseHTTPRequestHandler, code: int, body: bytes, headers: dict[str, str]) -> None:
        asked.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(body)
