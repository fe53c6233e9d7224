"""The web page: only the files of ``protocols/web/static/``, each read once and compressed once.

Each file's headers limit the browser: it may run the page's own scripts, show its own styles and pictures, talk to this
server, and nothing else (Content Security Policy Level 3).
"""

import gzip
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from importlib.resources import files

from twisted.web.http import CACHED, Request

# Content types by file extension. Other files are not served.
TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
INDEX = "index.html"
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class PageFile:
    """One file of the page."""

    kind: bytes
    data: bytes

    @cached_property
    def compressed(self) -> bytes:
        """The compressed data, which nearly every browser accepts."""
        return gzip.compress(self.data, mtime=0)

    @cached_property
    def tag(self) -> bytes:
        """The entity tag, by which a browser checks the file that it has."""
        return blake2b(self.data, digest_size=12).hexdigest().encode()

    def answer(self, request: Request) -> bytes:
        """Set the headers, and return the body: empty if the browser has the file already."""
        squeezed = b"gzip" in (request.getHeader(b"accept-encoding") or b"")
        request.setHeader(b"content-type", self.kind)
        request.setHeader(b"content-security-policy", POLICY)
        request.setHeader(b"vary", b"accept-encoding")
        request.setHeader(b"cache-control", b"no-cache")  # revalidate each time: a newer server has a newer page
        if request.setETag(b'"' + self.tag + (b"-gzip" if squeezed else b"") + b'"') is CACHED:
            return b""
        if squeezed:
            request.setHeader(b"content-encoding", b"gzip")
        return self.compressed if squeezed else self.data


def load() -> dict[bytes, PageFile]:
    """Return all files by path."""
    found = {}
    for entry in files(__package__).joinpath("static").iterdir():
        kind = TYPES.get("." + entry.name.rpartition(".")[2])
        if kind is not None:
            found[b"/" if entry.name == INDEX else b"/" + entry.name.encode()] = PageFile(kind, entry.read_bytes())
    return found
