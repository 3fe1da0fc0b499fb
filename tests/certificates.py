"""Certificates for tests, made by the openssl command; nothing of them is ever used elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL = shutil.which("openssl")
_CONFIGURATION = """\
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
"""
_PAST, _SOON, _FAR = "20200101000000Z", "20990101000000Z", "21000101000000Z"
_YESTERDAY = "20210101000000Z"
LEAF = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage={usage}\nsubjectAltName={names}\n"
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
LOCAL = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, each a PEM file."""

    cert: Path
    key: Path


class Authority:
    """An authority that signs certificates of any kind.

    Parameters
    ----------
    folder : Path
        A folder of its own.
    name : str
        Its common name.
    by : Authority, optional
        The authority above; by default it signs itself.
    """

    def __init__(self, folder: Path, name: str, by: Authority | None = None) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        (folder / "openssl.cnf").write_text(_CONFIGURATION.format(folder=folder))
        if by is not None:
            self.own = by.sign(name, AUTHORITY)
        else:
            self.own = self.signed_by_itself(name, AUTHORITY)

    def sign(
        self, name: str, extensions: str, *, begin: str = _PAST, end: str = _FAR, key: str = "ec"
    ) -> Certificate:
        """Return a certificate signed by this authority."""
        path = self._folder / name.replace(" ", "-")
        made = Certificate(path.with_suffix(".pem"), path.with_suffix(".key"))
        _make_key(made.key, key)
        request, extra = path.with_suffix(".csr"), path.with_suffix(".ext")
        extra.write_text(extensions)
        configuration = ("-config", str(self._folder / "openssl.cnf"))
        _run("req", "-new", "-key", str(made.key), "-subj", f"/CN={name}", "-out", str(request),
             *configuration)  # fmt: skip
        _run("ca", "-batch", "-notext", *configuration, "-cert", str(self.own.cert),
             "-keyfile", str(self.own.key), "-in", str(request), "-out", str(made.cert),
             "-startdate", begin, "-enddate", end, "-extfile", str(extra))  # fmt: skip
        return made

    def server(self, name: str, *, names: str = LOCAL, usage: str = "serverAuth") -> Certificate:
        """Return the certificate of a server."""
        return self.sign(name, LEAF.format(usage=usage, names=names))

    def expired(self, name: str, usage: str = "serverAuth") -> Certificate:
        """Return a certificate of yesterday."""
        return self.sign(name, LEAF.format(usage=usage, names=LOCAL), end=_YESTERDAY)

    def of_tomorrow(self, name: str) -> Certificate:
        """Return a certificate that is not valid yet."""
        return self.sign(name, LEAF.format(usage="serverAuth", names=LOCAL), begin=_SOON)

    def weak(self, name: str) -> Certificate:
        """Return a certificate with a key that is too short."""
        return self.sign(name, LEAF.format(usage="serverAuth", names=LOCAL), key="rsa:1024")

    def signed_by_itself(self, name: str, extensions: str) -> Certificate:
        """Return a certificate that nobody vouches for."""
        path = self._folder / name.replace(" ", "-")
        made = Certificate(path.with_suffix(".pem"), path.with_suffix(".key"))
        _make_key(made.key, "ec")
        added = [part for line in extensions.splitlines() for part in ("-addext", line)]
        _run("req", "-new", "-x509", "-key", str(made.key), "-subj", f"/CN={name}", "-days", "9999",
             "-out", str(made.cert), "-config", str(self._folder / "openssl.cnf"),
             *added)  # fmt: skip
        return made


def chained(leaf: Certificate, *above: Certificate) -> Certificate:
    """Return a certificate that is sent with those above it."""
    path = leaf.cert.with_suffix(".chain.pem")
    path.write_bytes(b"".join(one.cert.read_bytes() for one in (leaf, *above)))
    return Certificate(path, leaf.key)


def encrypted(made: Certificate) -> Certificate:
    """Return a certificate whose key asks for a password."""
    path = made.key.with_suffix(".locked.key")
    _run("pkey", "-in", str(made.key), "-aes256", "-passout", "pass:secret", "-out", str(path))
    return Certificate(made.cert, path)


def _make_key(path: Path, kind: str) -> None:
    how = {"ec": ("EC", "ec_paramgen_curve:P-256"), "rsa:1024": ("RSA", "rsa_keygen_bits:1024")}
    algorithm, option = how[kind]
    _run("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", str(path))


def _run(*arguments: str) -> None:
    assert OPENSSL is not None, "openssl is not installed"
    subprocess.run([OPENSSL, *arguments], check=True, capture_output=True)
