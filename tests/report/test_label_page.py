"""The page for labelling, asked as a browser asks it."""

import html
import re
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

from hardneg_plugin.datasets.labels import LabelRow, read_labels, write_labels
from hardneg_plugin.errors import DatasetError
from hardneg_plugin.report.label_page import label_server

EVIL = "<script>alert(1)</script> & more"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "labels.csv"
    write_labels(
        path,
        [
            LabelRow("q1", "p<1>", "", "who?", "the answer", EVIL),
            LabelRow("q1", "p2", "relevant", "who?", "the answer", "labelled already"),
            LabelRow("q2", "p3", "", "한강은 어디로?", "서해", "부산은"),
        ],
    )
    with label_server(path) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", path
        server.shutdown()
        thread.join()


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
        return reply.read().decode(), reply.headers


def post(url, **fields):
    with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode()) as reply:
        return reply.read().decode()


def form_of(text):
    """The hidden fields of the first form: what a browser would send back."""
    first = text.split("</form>")[0]
    return {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">\n', first)}


def test_texts_are_escaped_and_nothing_may_run(page):
    text, headers = get(page[0])
    assert html.escape(EVIL, quote=False).replace("'", "&#39;") in text
    assert "<script" not in text
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "1 of 3 labelled" in text


def test_answers_are_in_the_file_at_once_and_the_next_pair_follows(page):
    url, path = page
    after = post(url, **form_of(get(url)[0]), label="irrelevant")
    assert [row.label for row in read_labels(path)] == ["irrelevant", "relevant", ""]
    assert "부산은" in after
    assert "Take the last answer back (irrelevant)" in after
    done = post(url, **form_of(after), label="unsure")
    assert "All are labelled" in done
    assert [row.label for row in read_labels(path)] == ["irrelevant", "relevant", "unsure"]
    assert read_labels(path)[0].passage == EVIL


def test_an_answer_can_be_taken_back(page):
    url, path = page
    fields = form_of(get(url)[0])
    post(url, **fields, label="relevant")
    assert "who?" in post(url, **fields, label="")
    assert read_labels(path)[0].label == ""


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"token": "guessed"}, 403),
        ({"token": ""}, 403),
        ({"label": "maybe"}, 400),
        ({"passage_id": "other"}, 404),
    ],
)
def test_what_is_not_the_pages_own_answer_is_refused(page, change, status):
    url, path = page
    before = path.read_bytes()
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(url, **{**form_of(get(url)[0]), "label": "relevant", **change})
    assert refused.value.code == status
    assert path.read_bytes() == before


def test_another_name_for_this_machine_and_other_paths_are_refused(page):
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(page[0], Host="evil.example:80")
    assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as missing:
        get(page[0] + "labels.csv")
    assert missing.value.code == 404


def test_it_listens_on_this_machine_alone(tmp_path):
    write_labels(tmp_path / "l.csv", [LabelRow("q", "p")])
    with label_server(tmp_path / "l.csv") as server:
        assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(DatasetError, match=r"none\.csv"):
        label_server(tmp_path / "none.csv")
