"""Downloads that break, lie or are stopped."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core import weights
from core.errors import Cancelled, NotFound, Unavailable

BODY = bytes(range(256)) * 4096


class Server:
    """A file server on 127.0.0.1 that can break off or ignore ranges."""

    def __init__(self):
        self.body, self.break_at, self.ranges, self.asked = BODY, None, True, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.headers.get("Range"))
                start = int(self.headers["Range"][6:-1]) if outer.ranges and self.headers.get("Range") else 0
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(outer.body) - start))
                self.end_headers()
                stop = outer.break_at
                outer.break_at = None
                self.wfile.write(outer.body[start : len(outer.body) if stop is None else stop])

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/toy.pth"


@pytest.fixture
def server():
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path / "models"))
    row = weights.WeightFile(
        "toy", "Toy", "tests", "toy.pth", server.url, len(BODY), hashlib.sha256(BODY).hexdigest(), "CC0"
    )
    monkeypatch.setitem(weights.CATALOGUE, "toy", row)
    return tmp_path / "models"


def state(name="toy"):
    return next(s.state for s in weights.status() if s.weights.name == name)


def test_fetch_reports_and_leaves_the_whole_file(folder):
    seen = []
    assert state() == "missing" and weights.find_weights("toy") is None
    path = weights.fetch("toy", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == BODY and path.parent == folder
    assert seen[-1] == (len(BODY), len(BODY)) and seen == sorted(seen)
    assert state() == "present" and weights.find_weights("toy") == path
    assert [p.name for p in folder.iterdir()] == ["toy.pth"]


def test_fetch_again_asks_nobody(folder, server):
    weights.fetch("toy")
    weights.fetch("toy")
    assert len(server.asked) == 1


def test_another_file_is_refused_and_deleted(folder, server):
    server.body = BODY[:-1] + b"x"
    with pytest.raises(Unavailable, match="sha256"):
        weights.fetch("toy")
    assert list(folder.iterdir()) == [] and state() == "missing"


@pytest.mark.filterwarnings("ignore")
def test_a_broken_connection_is_resumed_where_it_was(folder, server):
    server.break_at = 300_000
    assert weights.fetch("toy").read_bytes() == BODY
    assert server.asked[0] is None and server.asked[1].startswith("bytes=")
    assert int(server.asked[1][6:-1]) > 0


@pytest.mark.filterwarnings("ignore")
def test_a_server_without_ranges_starts_over(folder, server):
    server.break_at, server.ranges = 300_000, False
    assert weights.fetch("toy").read_bytes() == BODY


def test_cancel_leaves_nothing_under_the_final_name_and_goes_on_later(folder, server):
    done = []
    with pytest.raises(Cancelled):
        weights.fetch("toy", lambda now, total: done.append(now), lambda: len(done) > 1)
    assert not (folder / "toy.pth").exists() and state() == "missing"
    assert weights.fetch("toy").read_bytes() == BODY
    assert server.asked[-1] is not None


def test_offline_says_what_to_open_and_where_to_put_it(folder, server):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(Unavailable) as error:
        weights.fetch("toy")
    assert server.url in str(error.value) and str(folder / "toy.pth") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_broken_file_is_told(folder):
    path = weights.fetch("toy")
    path.write_bytes(BODY[:100])
    assert state() == "corrupt" and weights.find_weights("toy") is None
    path.write_bytes(b"x" * len(BODY))
    assert weights.verify("toy").state == "corrupt"
    assert state() == "corrupt"
    assert weights.fetch("toy").read_bytes() == BODY
    assert weights.verify("toy").state == "present"


def test_an_unknown_name_lists_the_known():
    with pytest.raises(NotFound, match="sam_vit_b"):
        weights.fetch("nope")


def test_every_row_is_complete():
    for row in weights.CATALOGUE.values():
        assert len(row.sha256) == 64 and int(row.sha256, 16) and row.size > 1e6
        assert row.licence in ("Apache-2.0", "BSD-3-Clause")
        assert row.url.startswith("https://") or (weights.SHIPPED / row.file).is_file()
    assert len({row.file for row in weights.CATALOGUE.values()}) == len(weights.CATALOGUE)
