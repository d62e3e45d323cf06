# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the client trusts: the CA that the option names, or else those of the system; never what the environment says."""

from __future__ import annotations

import datetime
import logging
import shutil
import ssl
import subprocess
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.ucloudstack.cloud.plugins.module_utils._client import Client
from ansible_collections.ucloudstack.cloud.plugins.module_utils._errors import EndpointError

Connect = Callable[..., Client]
Serve = Callable[..., Any]
Certificate = Callable[..., ssl.SSLContext]
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
GOOD = {"RetCode": 0}


@pytest.fixture
def trusted(endpoint: Serve, authority: trustme.CA, certificate: Certificate) -> Any:
    """An endpoint with a good certificate of the authority."""
    return endpoint(GOOD, tls=certificate(authority, "127.0.0.1"))


def distrust(client: Client, server: Any) -> str:
    with pytest.raises(EndpointError, match="is not trusted") as caught:
        client.call("CreateSnapshot", {})
    assert server.requests == []
    assert str(caught.value).isprintable() and caught.value.__context__ is None
    return str(caught.value)


def test_ca_path_is_a_file(connect: Connect, trusted: Any, ca_file: str) -> None:
    assert connect(trusted.url, ca_path=ca_file).call("CreateSnapshot", {}) == GOOD


def test_ca_path_is_a_folder(connect: Connect, trusted: Any, ca_file: str, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl to make the folder with")
    name = subprocess.run([openssl, "x509", "-hash", "-noout", "-in", ca_file], check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / "folder").mkdir()
    shutil.copy(ca_file, tmp_path / "folder" / f"{name}.0")
    assert connect(trusted.url, ca_path=str(tmp_path / "folder")).call("CreateSnapshot", {}) == GOOD


@pytest.mark.parametrize("content", [None, "", "no certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_ca_path_holds_nothing(connect: Connect, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EndpointError, match="ca_path .* contains no readable CA certificates") as caught:
        connect("https://console.customer.test/api", ca_path=str(path))
    assert str(path) in str(caught.value) and str(caught.value).isprintable()


def test_a_folder_without_certificates_trusts_nobody(connect: Connect, trusted: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    distrust(connect(trusted.url, ca_path=str(tmp_path / "empty")), trusted)


def test_an_unknown_ca(connect: Connect, trusted: Any) -> None:
    assert "Set ca_path to the CA that signed it" in distrust(connect(trusted.url), trusted)


def test_a_certificate_that_signed_itself(connect: Connect, endpoint: Serve, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl to make the certificate with")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=x"]
    pem = tmp_path / "self.pem"
    subprocess.run(
        [*command, "-keyout", str(tmp_path / "key"), "-out", str(pem), "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, tmp_path / "key")
    server = endpoint(GOOD, tls=context)
    assert "Set ca_path to the CA that signed it" in distrust(connect(server.url), server)
    assert connect(server.url, ca_path=str(pem)).call("CreateSnapshot", {}) == GOOD


@pytest.mark.parametrize("name", ["console.customer.test", "127.0.0.2"])
def test_a_certificate_for_another_address(
    connect: Connect, endpoint: Serve, authority: trustme.CA, certificate: Certificate, ca_file: str, name: str
) -> None:
    server = endpoint(GOOD, tls=certificate(authority, name))
    assert "uses a name or address" in distrust(connect(server.url, ca_path=ca_file), server)


def test_a_certificate_for_another_name(
    connect: Connect, endpoint: Serve, authority: trustme.CA, certificate: Certificate, ca_file: str
) -> None:
    server = endpoint(GOOD, tls=certificate(authority, "console.customer.test"))
    url = server.url.replace("127.0.0.1", "localhost")
    assert "uses a name or address" in distrust(connect(url, ca_path=ca_file), server)


@pytest.mark.parametrize(("begins", "ends", "advice"), [(-9, -2, "Renew it"), (2, 9, "clock")])
def test_a_certificate_at_the_wrong_time(
    connect: Connect, endpoint: Serve, certificate: Certificate, ca_file: str, authority: trustme.CA, begins: int, ends: int, advice: str
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    times = {"not_before": now + datetime.timedelta(days=begins), "not_after": now + datetime.timedelta(days=ends)}
    server = endpoint(GOOD, tls=certificate(authority, "127.0.0.1", **times))
    message = distrust(connect(server.url, ca_path=ca_file), server)
    assert advice in message and "ca_path" not in message


def test_trust_in_one_ca_is_no_trust_in_another(connect: Connect, endpoint: Serve, certificate: Certificate, ca_file: str) -> None:
    server = endpoint(GOOD, tls=certificate(trustme.CA(), "127.0.0.1"))
    distrust(connect(server.url, ca_path=ca_file), server)


def test_variables_that_would_trust_more_do_not(connect: Connect, trusted: Any, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CA_VARIABLES:
        monkeypatch.setenv(name, ca_file)
    distrust(connect(trusted.url), trusted)


@pytest.mark.parametrize("value", ["/nowhere/ca.pem", ""])
def test_variables_that_would_trust_less_do_not(
    connect: Connect, trusted: Any, ca_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for name in CA_VARIABLES:
        monkeypatch.setenv(name, value or str(other))
    assert connect(trusted.url, ca_path=ca_file).call("CreateSnapshot", {}) == GOOD
    assert connect(trusted.url, validate_certs=False).call("CreateSnapshot", {}) == GOOD


def test_netrc_is_not_read(connect: Connect, endpoint: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\ndefault login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server = endpoint(GOOD)
    connect(server.url).call("CreateSnapshot", {})
    assert "authorization" not in server.requests[0].headers


def test_unchecked_certificates_make_no_noise(
    connect: Connect,
    endpoint: Serve,
    certificate: Certificate,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = endpoint(GOOD, tls=certificate(trustme.CA(), "console.customer.test"))
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.WARNING):
        warnings.simplefilter("default")
        client = connect(server.url, validate_certs=False, ca_path="/nowhere")
        for _turn in range(3):
            assert client.call("CreateSnapshot", {}) == GOOD
    assert (capfd.readouterr(), [str(each.message) for each in caught], caplog.records) == (("", ""), [], [])


def test_ca_files_are_loaded_once_for_many_connections(
    connect: Connect, endpoint: Serve, authority: trustme.CA, certificate: Certificate, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., Any]:
        original = getattr(ssl.SSLContext, name)

        def load(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> Any:
            loads[name] += 1
            return original(self, *args, **kwargs)

        return load

    together = threading.Barrier(16)

    def answer(request: Any) -> dict[str, int]:
        together.wait(10)
        return GOOD

    server = endpoint(answer, tls=certificate(authority, "127.0.0.1"))
    for name in ("load_verify_locations", "load_default_certs", "set_default_verify_paths"):
        monkeypatch.setattr(ssl.SSLContext, name, counting(name))
    client = connect(server.url, ca_path=ca_file)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: client.call("CreateSnapshot", {}), range(64)))
    assert answers == [GOOD] * 64
    assert len({id(request.connection) for request in server.requests}) == 16
    assert loads == {"load_verify_locations": 1}


def test_without_a_ca_path_the_systems_are_loaded_once(connect: Connect, monkeypatch: pytest.MonkeyPatch, trusted: Any) -> None:
    loaded: list[str] = []
    original = ssl.SSLContext.load_verify_locations

    def load(self: ssl.SSLContext, cafile: str | None = None, capath: str | None = None, cadata: str | None = None) -> None:
        loaded.append(cafile or capath or "data")
        original(self, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    client = connect(trusted.url)
    for _turn in range(3):
        distrust(client, trusted)
    assert loaded and len(loaded) == len(set(loaded)) <= 3
