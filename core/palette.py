"""The colours of the product, once: the member pages and the operators' console both read them.

Values are CSS colours by weight, in the scale Unfold expects. No Django here: settings import it.
"""

import base64
import hashlib

BRAND = "Loomwork"
BRAND_ICON = "hub"

PRIMARY = {
    "50": "#eef2ff",
    "100": "#e0e7ff",
    "200": "#c7d2fe",
    "300": "#a5b4fc",
    "400": "#818cf8",
    "500": "#6366f1",
    "600": "#4f46e5",
    "700": "#4338ca",
    "800": "#3730a3",
    "900": "#312e81",
    "950": "#1e1b4b",
}
BASE = {
    "50": "oklch(98.5% .002 247.839)",
    "100": "oklch(96.7% .003 264.542)",
    "200": "oklch(92.8% .006 264.531)",
    "300": "oklch(87.2% .01 258.338)",
    "400": "oklch(70.7% .022 261.325)",
    "500": "oklch(55.1% .027 264.364)",
    "600": "oklch(44.6% .03 256.802)",
    "700": "oklch(37.3% .034 259.733)",
    "800": "oklch(27.8% .033 256.848)",
    "900": "oklch(21% .034 264.665)",
    "950": "oklch(13% .028 261.692)",
}
PALETTE = {"base": BASE, "primary": PRIMARY}
BORDER_RADIUS = "8px"
STYLESHEETS = (
    "ui/app.css",
    "ui/shell.css",
    "ui/components.css",
    "ui/forms.css",
    "ui/feedback.css",
    "ui/graph.css",
    "ui/runs.css",
    "ui/history.css",
    "ui/triggers.css",
    "ui/inbox.css",
    "ui/account.css",
    "ui/audit.css",
    "ui/trail.css",
)
"""In this order, on member pages and in the console alike."""


def palette_style() -> str:
    """The one style sheet that stands in the pages themselves."""
    return f":root{{{css_variables()}}}"


def palette_hash() -> str:
    """What allows it in a Content-Security-Policy: `'sha256-…'`."""
    digest = hashlib.sha256(palette_style().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def css_variables() -> str:
    """`--color-primary-500:#6366f1;…`: the body of the `:root` rule."""
    colours = (
        f"--color-{name}-{weight}:{value};"
        for name, weights in PALETTE.items()
        for weight, value in weights.items()
    )
    return f"--border-radius:{BORDER_RADIUS};" + "".join(colours)
