"""Processes that share a models folder take turns at making what is missing."""

import os
import subprocess
import sys
import threading

import pytest

from ml import sources

HOLD = """
import sys, time, django
django.setup()
from ml import sources
with sources.one_at_a_time(), sources.one_at_a_time():  # a thread that holds it doesn't wait for itself
    print("held", flush=True)
    sys.stdin.readline()
"""


def _start(folder) -> subprocess.Popen:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "MODELS_DIR": str(folder)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HOLD], env=env, stdin=pipe, stdout=pipe, text=True)


def test_a_second_process_waits_and_a_killed_one_lets_go(tmp_path, settings):
    settings.MODELS_DIR = tmp_path / "models"
    with _start(settings.MODELS_DIR) as first:
        assert first.stdout.readline() == "held\n"
        entered = threading.Event()

        def second() -> None:
            with sources.one_at_a_time():
                entered.set()

        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.5), "both made it at once"
        first.kill()
        first.wait()
        assert entered.wait(30)
        waiting.join()


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_a_gguf_file_reads_as_the_librarys_own_reader_reads_it(order, tmp_path):
    import gguf
    import numpy as np

    from ml.engines.unpack_gguf import _Reader

    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "gemma3", endianess=gguf.GGUFEndian[order])
    writer.add_array("words", ["", "▁mug", "保温杯"])
    writer.add_string("empty", "")
    writer.add_array("scores", [0.5, -1.25])
    writer.add_uint32("layers", 18)
    writer.add_bool("yes", True)
    writer.add_tensor("blk.0.attn_q.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    wanted, got = gguf.GGUFReader(tmp_path / "a.gguf"), _Reader(tmp_path / "a.gguf")
    assert {k: f.contents() for k, f in got.fields.items()} == {k: f.contents() for k, f in wanted.fields.items()}
    assert got.fields["words"].contents() == ["", "▁mug", "保温杯"] and got.fields["layers"].contents() == 18
    assert (got.tensors[0].data == wanted.tensors[0].data).all() and got.tensors[0].data.shape == (3, 4)


def test_transformers_reads_a_gguf_file_once_and_the_library_is_left_as_it_was():
    import gguf

    from ml.engines.unpack_gguf import _read_once, _Reader

    plain = gguf.GGUFReader
    with pytest.raises(ValueError), _read_once():
        assert gguf.GGUFReader.__wrapped__ is _Reader
        raise ValueError
    assert gguf.GGUFReader is plain
