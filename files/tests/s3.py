"""The little of S3 that the file service needs, over real HTTP: PUT, GET, HEAD, DELETE."""

from email.utils import formatdate
from hashlib import md5

from aiohttp import web

from core.tests.servers import LocalServer

MISSING = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code>'
    "<Message>The specified key does not exist.</Message></Error>"
)


class BucketServer(LocalServer):
    """`objects` maps `bucket/key` to the bytes and the content type that were put there."""

    def __init__(self):
        self.objects: dict[str, tuple[bytes, str]] = {}
        super().__init__(self.answer)

    async def answer(self, request):
        if "Signature=" not in request.headers.get("Authorization", ""):
            return web.Response(status=403)
        path = request.path.lstrip("/")
        return getattr(self, request.method.lower())(path, request, await request.read())

    def put(self, path, request, body):
        if "aws-chunked" in request.headers.get("Content-Encoding", ""):
            body = _unchunked(body)
        self.objects[path] = body, request.headers.get("Content-Type", "")
        return web.Response(headers=_headers(body))

    def head(self, path, request, body):
        return self.get(path, request, body)

    def get(self, path, request, body):
        if path not in self.objects:
            return web.Response(status=404, text=MISSING, content_type="application/xml")
        content, kind = self.objects[path]
        return web.Response(body=content, headers=_headers(content) | {"Content-Type": kind})

    def delete(self, path, request, body):
        self.objects.pop(path, None)
        return web.Response(status=204)


def _headers(content):
    return {
        "ETag": f'"{md5(content).hexdigest()}"',
        "Last-Modified": formatdate(usegmt=True),
    }


def _unchunked(body):
    """The payload of `aws-chunked`: `<hex size>[;ext]CRLF<bytes>CRLF`, ended by a size of 0."""
    found = b""
    while True:
        head, _, body = body.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            return found
        found, body = found + body[:size], body[size + 2 :]
