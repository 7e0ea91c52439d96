"""An OpenID Connect provider in a process of its own, for tests: `python -m tests.oidc_provider`.

It keeps the rules (code flow, PKCE, one use of a code, RS256, a key set) unless `POST /control`
tells it how to break them. It knows nothing of our code.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import requests
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID = "loomwork"
CLIENT_SECRET = "the-secret-of-the-client"
HONEST: dict[str, Any] = {
    "claims": {},  # of the person who signs in
    "token": {},  # what the ID token says instead
    "drop": [],  # claims it leaves out
    "sign": "RS256",  # or: PS256, none, HS256, other-key, unknown-kid
    "userinfo": {},  # what userinfo says instead
    "document": {},  # what discovery says instead
    "answer": {},  # what stands in the redirect back
    "keys": None,  # another key set
    "reuse_codes": False,
    "thin": False,  # an ID token without profile claims
    "asked_ago": 0,  # seconds since it asked the person, told where it was asked by `max_age`
}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Provider:
    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes: dict[str, dict[str, str]] = {}
        self.used: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self.orders = dict(HONEST)
        self.issuer = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self.document),
                web.get("/keys", self.key_set),
                web.get("/authorize", self.page),
                web.post("/authorize", self.authorize),
                web.post("/token", self.token),
                web.get("/userinfo", self.userinfo),
                web.post("/control", self.control),
                web.get("/control", self.report),
                web.post("/mint", self.mint),
                web.get("/proofs/{domain}", self.proof),
            ]
        )
        return app

    async def control(self, request: web.Request) -> web.Response:
        self.orders = HONEST | await request.json()
        self.asked.clear()
        return web.json_response({})

    async def report(self, request: web.Request) -> web.Response:
        return web.json_response(self.asked)

    async def mint(self, request: web.Request) -> web.Response:
        """An ID token as a native app would have got it."""
        return web.json_response({"id_token": self.id_token(await request.json(), "at")})

    async def proof(self, request: web.Request) -> web.Response:
        return web.Response(
            text=self.orders.get("proofs", {}).get(request.match_info["domain"], "")
        )

    async def document(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
            | self.orders["document"]
        )

    async def key_set(self, request: web.Request) -> web.Response:
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        honest = [public | {"kid": "one", "use": "sig", "alg": self.algorithm}]
        return web.json_response({"keys": honest if (k := self.orders["keys"]) is None else k})

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(
            text="<!doctype html><title>Identity provider</title><h1>Northwind identity</h1>"
            "<form method=post><button>Sign in as Grace</button></form>",
            content_type="text/html",
        )

    async def authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        fits = (
            asked.get("client_id") == CLIENT_ID
            and asked.get("response_type") == "code"
            and "openid" in asked.get("scope", "").split()
            and asked.get("code_challenge_method") == "S256"
            and asked.get("state")
        )
        if not fits:
            return web.Response(status=400, text="bad request")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer} | self.orders["answer"]
        answer = {name: value for name, value in answer.items() if value is not None}
        return web.Response(
            status=302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(answer)}"}
        )

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        code = str(form.get("code"))
        asked = self.codes.get(code)
        challenge = b64(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        if (
            not self._client(request, form)
            or asked is None
            or (code in self.used and not self.orders["reuse_codes"])
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked["code_challenge"] != challenge
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.used.add(code)
        access = secrets.token_urlsafe(16)
        body = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        claims: dict[str, Any] = {"nonce": asked.get("nonce")}
        if "max_age" in asked:
            claims["auth_time"] = int(time.time()) - self.orders["asked_ago"]
        return web.json_response(body | {"id_token": self.id_token(claims, access)})

    @staticmethod
    def _client(request: web.Request, form: Any) -> bool:
        given = (form.get("client_id"), form.get("client_secret"))
        basic = request.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            given = tuple(base64.b64decode(basic[6:]).decode().split(":", 1))
        return given == (CLIENT_ID, CLIENT_SECRET)

    def id_token(self, more: dict[str, Any], access: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims |= {"at_hash": b64(half)} if access != "at" else {}
        person = self.orders["claims"]
        claims |= {"sub": person["sub"]} if self.orders["thin"] else person
        claims |= more | self.orders["token"]
        for name in self.orders["drop"]:
            claims.pop(name, None)
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        how = self.orders["sign"]
        if how == "none":
            head = b64(json.dumps({"alg": "none", "kid": "one"}).encode())
            return f"{head}.{b64(json.dumps(claims).encode())}."
        if how == "HS256":  # keyed with what everybody knows
            import hmac  # noqa: PLC0415

            public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
            head = b64(json.dumps({"alg": "HS256", "kid": "one"}).encode())
            signed = f"{head}.{b64(json.dumps(claims).encode())}"
            mac = hmac.new(json.dumps(public).encode(), signed.encode(), hashlib.sha256).digest()
            return f"{signed}.{b64(mac)}"
        key = self.other if how == "other-key" else self.key
        kid = "two" if how == "unknown-kid" else "one"
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": kid})

    @property
    def algorithm(self) -> str:
        return "PS256" if self.orders["sign"] == "PS256" else "RS256"

    async def userinfo(self, request: web.Request) -> web.Response:
        return web.json_response(self.orders["claims"] | self.orders["userinfo"])


async def _serve(port: int) -> None:
    provider = Provider()
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    print(provider.issuer, flush=True)
    await asyncio.Event().wait()


class RunningProvider:
    """The process, from the test's side."""

    def __init__(self, url: str) -> None:
        self.url = url

    def obey(self, **orders: Any) -> None:
        requests.post(f"{self.url}/control", json=orders, timeout=10).raise_for_status()

    def person(self, email: str, sub: str = "", **more: Any) -> dict[str, Any]:
        return {"email": email, "sub": sub or f"sub-{email}", "name": "Grace Hopper", **more}

    def asked(self) -> list[dict[str, str]]:
        return list(requests.get(f"{self.url}/control", timeout=10).json())

    def mint(self, **claims: Any) -> str:
        return str(requests.post(f"{self.url}/mint", json=claims, timeout=10).json()["id_token"])

    def back(self, target: str) -> str:
        """Sign in there; the address that the browser is sent back to."""
        answer = requests.post(target, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])


@contextmanager
def running_provider() -> Iterator[RunningProvider]:
    command = [sys.executable, "-m", "tests.oidc_provider"]
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield RunningProvider(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_serve(parser.parse_args().port))
