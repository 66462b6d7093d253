"""Builds the router of a configuration. Reads the weights from the package, because ``policy`` does no IO."""

from importlib.resources import files

from innkeepd.config.schema import Config
from innkeepd.policy.routing.classifier import Classifier, decode
from innkeepd.policy.routing.correction import Correction
from innkeepd.policy.routing.router import Router

__all__ = ["read_classifier", "router_of"]


def read_classifier() -> Classifier:
    """The classifier of this version, 0.8 MB in memory. Raises ``ValueError`` for a broken package."""
    path = files("innkeepd").joinpath("policy", "routing", "weights.bin")
    try:
        return decode(path.read_bytes())
    except OSError as error:
        msg = f"the router's weights cannot be read ({error}); install innkeep again"
        raise ValueError(msg) from None


def router_of(config: Config, correction: Correction | None = None) -> Router:
    """The router of a configuration, as the daemon uses it. ``correction``: fitted to the user's feedback."""
    keywords = {name: role.keywords for name, role in config.roles.items()}
    return Router(
        keywords,
        config.routing.ignore,
        sticky=config.routing.sticky,
        classifier=read_classifier(),
        correction=correction,
    )
