"""The steps of `bench_corpus.py` as a user of datatrove (Apache-2.0) puts them together; prints the ids that it keeps.

    pip install "datatrove[processing]" spacy pycld2
    python benchmarks/peer_corpus.py IN OUT

Reading, language (pycld2: datatrove's own detector is downloaded), Gopher's repetition and quality filters with the
language's tokenizer, personal data, MinHash of 20 x 7 (it compares no pair, so that 32 x 4 would drop what is no
copy); one process. Limits are such that it keeps and drops what we do, as far as that goes.
"""

import sys
from pathlib import Path
from typing import Any

import pycld2
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

CONFIG = MinhashConfig(n_grams=2, num_buckets=20, hashes_per_bucket=7)


class Azerbaijani(BaseFilter):  # type: ignore[misc]
    name = "pycld2"

    def filter(self, doc: Any) -> bool:
        try:
            reliable, _, found = pycld2.detect(doc.text[:1000].encode("utf-8", "ignore"), bestEffort=True)
        except pycld2.error:
            return False
        return found[0][1] in ("az", "un") or (not reliable and found[0][1] != "tr")


def main(source: str, out: str) -> None:
    folder = Path(out)
    signatures, buckets, clusters = (str(folder / name) for name in ("signatures", "buckets", "clusters"))
    clean = str(folder / "clean")
    steps = [
        [
            JsonlReader(source),
            Azerbaijani(),
            GopherRepetitionFilter(
                language="azj",
                top_n_grams=((2, 9.0), (3, 9.0), (4, 9.0)),
                dup_n_grams=tuple((n, 0.6) for n in range(5, 11)),
            ),
            GopherQualityFilter(
                language="azj", min_doc_words=5, max_avg_word_length=14, min_stop_words=0, max_symbol_word_ratio=0.25,
                max_non_alpha_words_ratio=0.3,
            ),
            PIIFormatter(),
            JsonlWriter(clean),
        ],
        [JsonlReader(clean), MinhashDedupSignature(signatures, config=CONFIG, language="azj")],
        [MinhashDedupBuckets(signatures, buckets, config=CONFIG)],
        [MinhashDedupCluster(buckets, clusters, config=CONFIG)],
        [JsonlReader(clean), MinhashDedupFilter(clusters), JsonlWriter(str(folder / "kept"), compression=None)],
    ]  # fmt: skip
    for number, pipeline in enumerate(steps):
        tasks = CONFIG.num_buckets if number == 2 else 1
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=str(folder / f"logs{number}")).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
