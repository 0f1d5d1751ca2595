from anadil.tokenizer.load import load_tokenizer
from anadil.tokenizer.measure import flatten, measure


def test_before_and_after_on_the_same_text(base, new_texts, old_texts):
    tokenizer = load_tokenizer(base)
    texts = {"target": iter(new_texts), "original": iter(old_texts)}
    measured = measure(tokenizer, tokenizer, texts)
    for name, some in (("target", new_texts), ("original", old_texts)):
        assert measured[name]["before"] == measured[name]["after"]
        assert measured[name]["after"]["words"] == sum(len(text.split()) for text in some)
        assert measured[name]["after"]["tokens"] == sum(
            len(tokenizer.encode(text, add_special_tokens=False).ids) for text in some
        )
        assert measured[name]["after"]["round_trip_failures"] == 0
    assert measured["target"]["after"]["tokens_per_word"] > 2 * measured["original"]["after"]["tokens_per_word"]


def test_unused_tokens_are_those_in_no_text(base):
    tokenizer = load_tokenizer(base)
    measured = measure(None, tokenizer, {"target": ["aa", "b"], "original": ["b!"]})
    used = {i for text in ("aa", "b", "b!") for i in tokenizer.encode(text, add_special_tokens=False).ids}
    assert measured["unused_tokens"] == {"after": 600 - 16 - len(used)}


def test_a_lossy_tokenizer_is_caught(base):
    from tokenizers import normalizers

    tokenizer = load_tokenizer(base)
    tokenizer.normalizer = normalizers.Lowercase()
    measured = measure(None, tokenizer, {"target": ["Abc", "abc", "aBc"]})
    assert measured["target"]["after"]["round_trip_failures"] == 2


def test_metrics_name_time_and_text(base):
    tokenizer = load_tokenizer(base)
    metrics = flatten(measure(tokenizer, tokenizer, {"target": ["ab ab"], "original": []}))
    assert metrics["target_words"] == metrics["base_target_words"] == 2
    assert metrics["original_tokens_per_word"] == 0
    assert metrics["unused_tokens"] == metrics["base_unused_tokens"]
