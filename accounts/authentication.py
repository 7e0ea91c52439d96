"""JWT access tokens for the REST API (issued by allauth's headless API, `client=app`)."""

from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication


class JwtAuthentication(JWTTokenAuthentication):
    """Bearer tokens that look like a JWT; anything else is left to the other classes."""

    def authenticate_header(self, request: object) -> str:
        return 'Bearer realm="loomwork"'
