"""A page of the app without a browser: it loads, presses and asks by the same requests, and can send anything."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import FlawsmithError

PATIENCE_S = 60.0
NOTICE = "Not done"
"""The title of a notice that tells a person's mistake; app/components/notices.py gives it."""
JSON = {"content-type": "application/json"}


class NoAnswer(FlawsmithError):
    """The server closed the connection, or answered with an error of its own."""


@dataclass(frozen=True)
class Answer:
    """What came back: ``error`` is "" or one line, ``notice`` whether that line is meant for a person."""

    data: Any = None
    error: str = ""
    notice: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class PageEvent:
    """Something that the page can send: its number, the components it takes from and changes, and what starts it."""

    number: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    triggers: tuple[tuple[int, str], ...]


@dataclass
class PageClient:
    """One page in one browser of its own. ``ticket`` names session and project after ``load``."""

    port: int
    ticket: str = ""
    cookie: str = ""
    hash: str = ""
    components: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: tuple[PageEvent, ...] = ()
    _heartbeat: http.client.HTTPConnection | None = None

    def load(self) -> Answer:
        """Load the page, anew if it was there, and begin its session or go on with it, as a browser does."""
        self._asked("GET", "/")
        self.hash = secrets.token_hex(6)
        self._stay()
        told = json.loads(self._asked("GET", "/config"))
        self.components = {row["id"]: row for row in told["components"]}
        self.events = tuple(
            PageEvent(row["id"], tuple(row["inputs"]), tuple(row["outputs"]), tuple((a, b) for a, b in row["targets"]))
            for row in told["dependencies"]
            if row.get("backend_fn", True)
        )
        answer = self.send(self._loading(), [self.ticket, ""])
        return answer

    def component(self, **wanted: str) -> int:
        """The number of the component with these properties, for example ``elem_id="fs-make"``."""
        for number, row in self.components.items():
            if all(row["props"].get(name) == value for name, value in wanted.items()):
                return number
        raise LookupError(wanted)

    def tab(self, id: str) -> int:
        """The number of the tab with this id."""
        return next(n for n, row in self.components.items() if row["type"] == "tabitem" and row["props"]["id"] == id)

    def answering(self, function: str) -> int:
        """The first component that has this server function."""
        return next(n for n, functions in self.server_functions().items() if function in functions)

    def server_functions(self) -> dict[int, tuple[str, ...]]:
        """The functions that components answer outside the queue, by component."""
        found = {n: tuple(row["props"].get("server_fns") or ()) for n, row in self.components.items()}
        return {number: functions for number, functions in found.items() if functions}

    def event(self, component: int, happens: str) -> PageEvent:
        """What is sent when this happens to a component."""
        return next(e for e in self.events if (component, happens) in e.triggers)

    def values_of(self, event: PageEvent) -> list[Any]:
        """What the page holds for the inputs of an event when nobody has touched it, with this page's ticket."""
        values = [self.components[n]["props"].get("value") for n in event.inputs]
        return [self.ticket, *values[1:]] if values else values

    def ask(self, component: int, function: str, data: object) -> Answer:
        """Call a server function; a dictionary without a session gets this page's."""
        if isinstance(data, Mapping) and "sid" not in data:
            data = {"sid": self.ticket, **data}
        body = {"session_hash": self.hash, "component_id": component, "fn_name": function, "data": data}
        began = time.monotonic()
        told = json.loads(self._asked("POST", "/gradio_api/component_server", body))
        took = time.monotonic() - began
        error = str(told.get("error") or "") if isinstance(told, dict) else ""
        return Answer(told, error, bool(error), took)

    def send(
        self, event: PageEvent, data: Sequence[object], event_data: object = None, patient: bool = True
    ) -> Answer:
        """Put an event into the queue and wait for its answer; one that is not ``patient`` takes the first of many."""
        began = time.monotonic()
        told = self._completed(self.join(event, data, event_data), patient)
        output, took = told.get("output") or {}, time.monotonic() - began
        if told.get("success"):
            self._follow(event, output.get("data"))
            return Answer(output.get("data"), seconds=took)
        return Answer(None, str(output.get("error") or "error"), output.get("title") == NOTICE, took)

    def join(self, event: PageEvent, data: Sequence[object], event_data: object = None) -> str:
        """Put an event into the queue and leave it there; its id."""
        body = {
            "data": list(data), "fn_index": event.number, "session_hash": self.hash, "event_data": event_data,
            "trigger_id": event.triggers[0][0] if event.triggers else None,
        }  # fmt: skip
        return str(json.loads(self._asked("POST", "/gradio_api/queue/join", body))["event_id"])

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """Upload a file; what an event takes for it."""
        edge = secrets.token_hex(12)
        head = f'--{edge}\r\ncontent-disposition: form-data; name="files"; filename="{name}"\r\n'
        body = f"{head}content-type: application/octet-stream\r\n\r\n".encode() + data + f"\r\n--{edge}--\r\n".encode()
        form = {"content-type": f"multipart/form-data; boundary={edge}"}
        (path,) = json.loads(self._asked("POST", "/gradio_api/upload", body, form))
        return {"path": path, "orig_name": name, "size": len(data), "meta": {"_type": "gradio.FileData"}}

    def fetch(self, path: str) -> bytes:
        """A file that the page shows."""
        return self._asked("GET", path)

    def _stay(self) -> None:
        """Hold the connection open by which Gradio knows that the page is there; that of the page before ends."""
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._heartbeat = self._connection()
        try:
            self._heartbeat.request("GET", f"/gradio_api/heartbeat/{self.hash}", headers=self._headers())
        except OSError as error:
            raise NoAnswer(f"heartbeat: {error}") from None

    def _loading(self) -> PageEvent:
        wanted = (self.component(elem_id="fs-ticket"), self.component(elem_id="fs-address"))
        return next(e for e in self.events if e.inputs == wanted)

    def _follow(self, event: PageEvent, data: object) -> None:
        """Show the project that the answer says is open now."""
        shown = self.component(elem_id="fs-ticket")
        for number, value in zip(event.outputs, data if isinstance(data, list) else (), strict=False):
            if number == shown and isinstance(value, str) and value:
                self.ticket = value

    def _completed(self, event_id: str, patient: bool) -> dict[str, Any]:
        connection = self._connection()
        try:
            connection.request("GET", f"/gradio_api/queue/data?session_hash={self.hash}", headers=self._headers())
            answer = connection.getresponse()
            while line := answer.readline():
                if line.startswith(b"data: "):
                    message: dict[str, Any] = json.loads(line[6:])
                    ends = ("process_completed",) if patient else ("process_completed", "process_generating")
                    if message.get("msg") in ends and message.get("event_id") == event_id:
                        return message
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from the queue: {error}") from None
        finally:
            connection.close()
        raise NoAnswer("the queue's stream ended without an answer")

    def _asked(self, method: str, path: str, body: object = None, kind: Mapping[str, str] = JSON) -> bytes:
        connection = self._connection()
        try:
            sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, sent, self._headers() | (dict(kind) if sent else {}))
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    self.cookie = value.partition(";")[0]
            read = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{method} {path[:80]}: {type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise NoAnswer(f"{method} {path[:80]}: {answer.status} {read[:160].decode('utf-8', 'replace')}")
        return read

    def _headers(self) -> dict[str, str]:
        return {"cookie": self.cookie} if self.cookie else {}

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
