"""Whom the dashboard lets in, what it refuses, and what it tells the browser with each answer."""

from pathlib import Path

import pytest
from dashboard_folders import PORT, client, copied
from fastapi.testclient import TestClient

from tuner.dashboard.access import HEADERS, MOST_QUERY_BYTES, Access, is_loopback, new_token
from tuner.dashboard.app import create_app
from tuner.dashboard.shelf import Shelf
from tuner.records.rows import read_trials, write_trials

TOKEN = "a-token-of-some-length"
COOKIE = f"tuner_{PORT}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return copied(tmp_path / "results", "mlp")


# --- token ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/e/mlp", "/page/index.html", "/api/experiments", "/api/nothing"])
def test_without_the_token_nothing_is_told(results: Path, path: str) -> None:
    answer = client(results, TOKEN).get(path)
    assert answer.status_code == 401
    assert "needs its token" in answer.json()["error"]


@pytest.mark.parametrize("given", ["", "wrong", TOKEN[:-1], TOKEN + "x", "tök", "%ff%fe", TOKEN.upper()])
def test_a_wrong_token_is_refused(results: Path, given: str) -> None:
    api = client(results, TOKEN)
    assert api.get(f"/?token={given}").status_code == 401
    assert api.get("/", headers={"cookie": f"{COOKIE}={given}".encode()}).status_code == 401
    assert "set-cookie" not in api.get(f"/?token={given}").headers


def test_the_token_opens_the_page_and_is_a_cookie_from_then_on(results: Path) -> None:
    api = client(results, TOKEN)
    opened = api.get(f"/e/mlp?token={TOKEN}")
    assert (opened.status_code, opened.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert opened.headers["set-cookie"] == f"{COOKIE}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    again = api.get("/api/experiments")
    assert again.status_code == 200
    assert "set-cookie" not in again.headers


def test_the_cookie_stands_among_others(results: Path) -> None:
    headers = {"cookie": f"a=b; {COOKIE}={TOKEN}; c=d"}
    assert client(results, TOKEN).get("/api/experiments", headers=headers).status_code == 200
    headers = {"cookie": f"tuner_1={TOKEN}"}
    assert client(results, TOKEN).get("/api/experiments", headers=headers).status_code == 401


def test_tokens_are_long_and_differ() -> None:
    assert new_token() != new_token()
    assert len(new_token()) >= 32


@pytest.mark.parametrize(
    ("host", "is_it"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False)],
)
def test_what_other_machines_reach(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


# --- other sites ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com:8765", "", "[", "a@b"]
)
def test_a_name_that_points_here_is_not_enough(results: Path, host: str) -> None:
    answer = client(results).get("/api/experiments", headers={"host": host})
    assert answer.status_code == 403
    assert "answers to an address" in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9999", "127.0.0.1:1", "[::1]:8765", "192.168.1.7:80"]
)
def test_own_names(results: Path, host: str) -> None:
    assert client(results).get("/api/experiments", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.com", "null", f"http://localhost:{PORT + 1}", ""])
def test_another_origin_is_refused(results: Path, origin: str) -> None:
    answer = client(results).get("/api/experiments", headers={"origin": origin})
    assert answer.status_code == 403
    assert "another site asked" in answer.json()["error"]


def test_the_own_origin_is_let_in(results: Path) -> None:
    for origin in (f"http://localhost:{PORT}", f"https://localhost:{PORT}"):
        assert client(results).get("/api/experiments", headers={"origin": origin}).status_code == 200


DATA = "/api/experiments/mlp/trials.csv"


@pytest.mark.parametrize(
    ("path", "site", "mode", "dest", "status"),
    [
        ("/", "cross-site", "no-cors", "image", 403),
        ("/", "same-site", "cors", "empty", 403),
        ("/", "cross-site", "navigate", "document", 200),
        ("/e/mlp", "cross-site", "navigate", "document", 200),
        ("/", "cross-site", "navigate", "iframe", 403),
        ("/e/mlp", "cross-site", "navigate", "embed", 403),
        (DATA, "cross-site", "navigate", "document", 403),
        (DATA, "same-site", "navigate", "iframe", 403),
        (DATA, "same-origin", "navigate", "document", 200),
        (DATA, "same-origin", "cors", "empty", 200),
        (DATA, "none", "navigate", "document", 200),
    ],
)
def test_other_sites_may_link_to_the_page_and_nothing_else(
    results: Path, path: str, site: str, mode: str, dest: str, status: int
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert client(results).get(path, headers=headers).status_code == status


# --- requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(results: Path, method: str) -> None:
    answer = client(results).request(method, "/api/experiments")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_head_is_get_without_its_content(results: Path) -> None:
    for path in ("/", "/api/experiments", "/page/index.html"):
        answer = client(results).head(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_long_query_is_refused(results: Path) -> None:
    answer = client(results).get("/api/experiments?" + "a" * (MOST_QUERY_BYTES + 1))
    assert answer.status_code == 414
    assert f"at most {MOST_QUERY_BYTES} bytes" in answer.json()["error"]


def test_many_fields_are_refused(results: Path) -> None:
    tags = "&".join(f"tags={number}" for number in range(21))
    assert client(results).get(f"/api/experiments/mlp/live?{tags}").status_code == 400
    assert client(results, TOKEN).get("/?" + "&" * 4000).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/..\\app.py",
        "/api/experiments/../secret",
        "/api/experiments/%2e%2e",
        "/api/experiments/..%2fsecret",
        "/api/experiments/%2fetc",
        "/api/experiments/mlp%2f..%2f..%2fsecret",
        "/api/experiments/mlp%00",
        "/api/experiments/mlp/trials/..%2f..%2f..",
        "/api/experiments/mlp/trials/-1/log",
        "/api/experiments/mlp/trials/1e3/log",
        "/e/..%2f..%2fsecret",
    ],
)
def test_no_path_leads_out(results: Path, path: str) -> None:
    secret = results.parent / "secret"
    secret.mkdir()
    (secret / "experiment.yaml").write_text("search: {metric: secret, mode: min}")
    answer = client(results).get(path)
    assert answer.status_code in (400, 404)
    assert "metric" not in answer.text
    assert "import" not in answer.text


def test_no_link_leads_out(results: Path, tmp_path: Path) -> None:
    outside = copied(tmp_path / "outside", "function") / "function"
    (results / "linked").symlink_to(outside)
    api = client(results)
    assert [line["name"] for line in api.get("/api/experiments").json()] == ["mlp"]
    assert api.get("/api/experiments/linked").status_code == 404

    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    log = results / "mlp" / "trials" / "00000" / "log.txt"
    log.unlink()
    log.symlink_to(secret)
    answer = api.get("/api/experiments/mlp/trials/0/log")
    assert answer.status_code == 404
    assert "leads out of it" in answer.json()["error"]


@pytest.mark.parametrize(
    "file", ["trials.csv", "decisions.jsonl", "notes.jsonl", "environment.json", "trials"]
)
def test_no_linked_file_leads_out(results: Path, tmp_path: Path, file: str) -> None:
    inside = results / "mlp" / file
    if file == "notes.jsonl":
        inside.touch()
    inside.rename(tmp_path / "elsewhere")
    inside.symlink_to(tmp_path / "elsewhere")
    assert client(results).get("/api/experiments").json() == []


def test_a_results_folder_that_is_a_link_itself_is_followed(results: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(results)
    assert client(tmp_path / "link").get("/api/experiments/mlp").status_code == 200


# --- answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/e/mlp",
        "/page/index.html",
        "/page/nothing",
        "/api/experiments",
        "/api/experiments/nobody",
        "/api/experiments/mlp/curves?tag=val/loss",
        "/api/experiments/mlp/trials.csv",
        "/api/experiments/mlp/trials/x",
    ],
)
def test_every_answer_has_the_security_headers(results: Path, path: str) -> None:
    for token in (None, TOKEN):
        answer = client(results, token).get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "cache-control" in answer.headers


def test_the_policy_allows_own_scripts_only() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_a_mistake_of_ours_has_them_too_and_tells_nothing(results: Path) -> None:
    class Broken(Shelf):
        def names(self) -> list[str]:
            raise RuntimeError("a secret")

    app = create_app(Broken(results), Access("127.0.0.1", PORT, None))
    api = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    answer = api.get("/api/experiments")
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("the dashboard failed (RuntimeError)")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


HOSTILE = "<script>alert(1)</script>\u2028\"'</td>=1+1"


def test_what_trials_say_stays_data(results: Path) -> None:
    table = results / "mlp" / "trials.csv"
    rows = read_trials(table)
    rows[0].reason, rows[0].params = HOSTILE, {HOSTILE: HOSTILE}
    write_trials(table, rows)
    (results / "mlp" / "trials" / "00000" / "log.txt").write_text(HOSTILE)
    api = client(results)
    told, log = (api.get(f"/api/experiments/mlp/{path}") for path in ("trials", "trials/0/log"))
    assert {told.headers["content-type"], log.headers["content-type"]} == {"application/json"}
    assert told.json()["data"]["reason"][0] == told.json()["data"][f"param/{HOSTILE}"][0] == HOSTILE
    assert log.json()["text"] == HOSTILE


def test_a_hostile_name_is_told_as_data(results: Path) -> None:
    answer = client(results).get("/api/experiments/<script>alert(1)</script>")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


def test_reading_changes_nothing(results: Path) -> None:
    def content() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in results.rglob("*") if path.is_file()}

    before, api = content(), client(results)
    for path in ("", "/mlp", "/mlp/trials", "/mlp/curves?tag=val/loss", "/mlp/decisions", "/mlp/trials/0"):
        assert api.get(f"/api/experiments{path}").status_code == 200
    assert content() == before
