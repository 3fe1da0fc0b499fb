"""What to do about a value that did not arrive. Pure."""

from __future__ import annotations

from typing import Final

from ..protocol.codes import NO_SUB_DEVICE

# What to do about a value that did not arrive, by the check it failed.
_MEND: Final = {
    "range": "correct the value, or widen the range in the platform's thing model",
    "type": "give the value the type that the thing model names",
    "enum": "use one of the keys, or add this one to the thing model",
    "length": "shorten the text, or raise maxLength in the thing model",
    "finite": "leave infinite values out",
    "text": "replace what UTF-8 cannot carry",
    "point": "name the point as the thing model does, or add it there",
    "time": "give the row a time that can be read",
    "device": "give the row a device key and a product key",
    "product": "pass a thing model for this product",
    "quality": "give a quality from 0 to 9, together with a value",
    "too_large": "shorten the value: it does not fit into a request even alone",
    "superseded": "nothing, if the other reading is the right one; else remove that one",
    "expected_skip": "correct the value and replay it: the platform is expected to have skipped it",
    "no_reply": "replay it: whether it arrived is not known, and sending it twice does no harm",
    "not_sent": "replay it: it was never sent",
}
# What to do about one that was declined alone, or, for its device, with its device alone.
ALONE: Final = {
    1204: "correct the value, or change the platform's thing model: it declines this value alone",
    1206: "correct the format of the value: the platform declines it alone",
    NO_SUB_DEVICE: "sign the device in (sub_device_secrets=), or set "
    "allow_offline_sub_device=True; if it is declined then too, add it to the gateway's topology",
}
_MEND_CODES: Final = {
    1204: "find the value that the platform's thing model forbids: one of this request's is it",
    1206: "find the value whose format is wrong: one of this request's is to blame",
    NO_SUB_DEVICE: "one of this request's devices is to blame: sign it in (sub_device_secrets=), "
    "or set allow_offline_sub_device=True; one that is declined then too is not in the gateway's "
    "topology",
    1008: "lower Limits(max_bytes=...)",
}


def advice_for(check: str, code: int | None, outcome: str) -> str:
    """Return what to do about a value that failed a check, or met a code."""
    known = _MEND_CODES.get(code or 0) if check == "platform" else _MEND.get(check)
    otherwise = "correct the value" if outcome == "withheld" else "see the platform's documents"
    return known or otherwise
