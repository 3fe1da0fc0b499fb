"""The thing models of a history, by product. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from ..errors.arguments import kind_of, shown_briefly
from .thing_model import ThingModel

__all__ = ["ModelSet", "model_of", "schema_digest"]


@dataclass(frozen=True, slots=True)
class ModelSet:
    """The thing models of a history: a single model for all devices, or a model per product.

    A model may be given as a schema of ``ThingModel.schema`` that a user has extended.
    """

    single: Any = None
    by_product: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Any) -> ModelSet:
        """Return the checked models of the caller."""
        if isinstance(given, ModelSet):
            return given
        if isinstance(given, Mapping):
            for product_key, model in given.items():
                if not isinstance(product_key, str):
                    raise ConfigError(
                        f"a mapping of models has product keys, got {shown_briefly(product_key)}; "
                        "a parsed JSON "
                        "document is read with ThingModel.load(...)"
                    )
                model_of(model)
            if not given:
                raise ConfigError("the mapping of product key to thing model is empty")
            return cls(None, dict(given))
        model_of(given)
        return cls(given)

    def find(self, product_key: str | None) -> Any:
        """Return the model or schema of a product, or None."""
        return self.single if self.single is not None else self.by_product.get(product_key or "")

    @property
    def first(self) -> Any:
        """The model or schema for values of products without a model of their own."""
        return self.single if self.single is not None else next(iter(self.by_product.values()))

    def all(self) -> list[ThingModel]:
        """Return every model."""
        given = [self.single] if self.single is not None else list(self.by_product.values())
        return [model_of(one) for one in given]

    def items(self) -> list[tuple[str, ThingModel]]:
        """Return every model with its product; the product of a single model is empty."""
        given = [("", self.single)] if self.single is not None else self.by_product.items()
        return [(product_key, model_of(one)) for product_key, one in given]

    @property
    def digest(self) -> str:
        """A SHA-256 over all models."""
        if self.single is not None:
            return schema_digest(self.single)
        digests = {key: schema_digest(model) for key, model in self.by_product.items()}
        return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def model_of(given: Any) -> ThingModel:
    """Return the thing model behind a model or its schema."""
    if isinstance(given, ThingModel):
        return given
    facts = getattr(given, "metadata", None)
    model = facts.get("thing_model") if isinstance(facts, Mapping) else None
    if isinstance(model, ThingModel):
        return model
    hint = (
        "load it with ThingModel.load(...)"
        if isinstance(given, str | bytes | dict) or hasattr(given, "__fspath__")
        else "begin with model.schema() and add to what it returns"
    )
    raise ConfigError(
        f"expected a ThingModel or a schema made by model.schema(), got {kind_of(given)}; {hint}",
        argument="model",
        value=given,
    )


def schema_digest(given: Any) -> str:
    """Return a digest of a model and, if extended, of the names of the added checks."""
    model = model_of(given)
    if isinstance(given, ThingModel):
        return model.digest
    checks = {
        name: [str(check) for check in column.checks] for name, column in given.columns.items()
    }
    text = model.digest + json.dumps(checks, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
