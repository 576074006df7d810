"""A web server on this machine that serves files well, badly and maliciously, by the first part of the path."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror(ThreadingHTTPServer):
    """Serves `files` by name; `asked` has (manner, name, Range) of every request."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.asked = []
        self.stopping = threading.Event()

    def url(self, manner):
        return f"http://127.0.0.1:{self.server_port}/{manner}/"

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.stopping.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that leave are what is tested."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.close_connection = True
        _, manner, name = self.path.split("/")
        wanted = self.headers.get("Range")
        self.server.asked.append((manner, name, wanted))
        if manner == "missing" or name not in self.server.files:
            self.send_error(404)
        elif manner in ("loop", "moved", "away"):
            self._redirect({"loop": f"/loop/{name}", "moved": f"/good/{name}", "away": "file:///etc/passwd"}[manner])
        elif manner == "silent":
            self.server.stopping.wait(20)
        else:
            self._send(manner, self.server.files[name], wanted)

    def _redirect(self, to):
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, manner, data, wanted):
        size = len(data)
        if manner == "wrong":
            data = data.translate(bytes(range(255, -1, -1)))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and manner != "norange" else 0
        if start >= size:
            self.send_error(416)
            return
        said = size - start + {"short": -1, "long": 1}.get(manner, 0)
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if manner == "otherpart" else start
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        if manner not in ("endless", "unsaid"):
            self.send_header("Content-Length", str(said))
        self.end_headers()
        rest = data[start:]
        if manner in ("cut", "cutwrong"):  # half of what is left
            rest = rest[: len(rest) // 2] if manner == "cut" or start else bytes(len(rest) // 2)
        if manner == "nothing":
            rest = b""
        if manner == "endless":
            rest += bytes(1 << 20)
        if manner in ("slow", "drip"):
            piece = max(1, size // 50) if manner == "slow" else 1
            for place in range(0, len(rest), piece):
                self.wfile.write(rest[place : place + piece])
                time.sleep(0.02)
            return
        self.wfile.write(rest)
