"""dialogues.checks: what is left out, counted, or masked."""

from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialogues.small import AZ, PAIR, calling, said, write

from anadil.corpus.personal_data import Finder
from anadil.dialogues.account import Account, Dialogue
from anadil.dialogues.checks import in_language, once, unseen, without_personal_data
from anadil.dialogues.passages import Passage
from anadil.dialogues.read import Message
from anadil.languages import load_profile

QUESTION = "Xaricdə itirdiyim kartı gecə vaxtı necə bloklaya bilərəm?"
REFERENCE = "Tətbiqi açın, kartın şəklinə toxunun və aşağıdakı qırmızı düyməni sıxın."
OTHER = [said("user", "Filial şənbə günü saat neçəyə qədər işləyir, deyin?"), said("assistant", "Saat ikiyə qədər.")]
EMAIL, PHONE = "ayan.m@mail.az", "050 123 45 67"


def dialogue(*messages: Message, passages: tuple[Passage, ...] = ()) -> Dialogue:
    return Dialogue("a", list(messages), passages=passages)


def asking(question: str, answer: str = "Bəli.") -> Dialogue:
    return dialogue(said("user", question), said("assistant", answer))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "d", "e"]))))
def test_each_conversation_is_kept_once(drawn: list[tuple[str, str]]) -> None:
    account = Account()
    given_ = [
        dialogue(said("user", question), said("assistant", "x"), passages=(Passage(passage),) if passage else ())
        for question, passage in drawn
    ]
    left = [(one.question, one.passages[0].text if one.passages else "") for one in once(given_, account)]
    assert left == list(dict.fromkeys(drawn))
    assert account.out == Counter(duplicate=len(drawn) - len(left)) or not drawn


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [{"id": "1", "question": QUESTION, "reference": REFERENCE}, {"id": "2", "question": "Bu nədir?"}]
    return write(tmp_path / "questions.jsonl", rows)


@pytest.mark.parametrize("typed", [str, AZ.upper, AZ.lower, AZ.fold_ascii, lambda text: AZ.fold_ascii(AZ.upper(text))])
def test_a_question_of_the_evaluation_is_found_however_typed_and_wherever(questions: Path, typed) -> None:
    asked, answered = typed(QUESTION), typed(REFERENCE)
    held = [
        asking(asked),
        asking(f"Salam. {asked} Sağ olun."),
        asking("Kart", answered),
        dialogue(*PAIR, said("user", asked), said("assistant", "Bəli.")),
        dialogue(said("system", asked), *PAIR),
        dialogue(*PAIR, passages=(Passage("Kart"), Passage(answered, "Kart"))),
        dialogue(*PAIR, passages=(Passage("Kart", asked),)),
    ]
    kept, account = [dialogue(*PAIR), dialogue(*OTHER), asking("Bu nədir?")], Account()
    mixed = [one for pair in zip(held, [*kept, *kept, *kept], strict=False) for one in pair]
    left = unseen(mixed, questions, AZ, "az", account)
    assert left == [one for one in mixed if one not in held]
    assert account.out == {"in_evaluation": len(held)}


def test_without_questions_nothing_is_left_out() -> None:
    account = Account()
    assert unseen([asking(QUESTION)], None, AZ, "az", account) == [asking(QUESTION)]
    assert not account.out


def test_letters_fold_as_those_of_the_language_do(tmp_path: Path) -> None:
    question = "Где ещё можно найти тёплое зелёное озеро?"
    path = write(tmp_path / "questions.jsonl", [{"question": question}])
    for text in (question, question.replace("ё", "е")):
        assert unseen([asking(text)], path, load_profile("ru"), "ru", Account()) == []


def test_answers_in_another_language_are_counted_and_dropped_if_asked_for() -> None:
    russian = "Вы можете заблокировать карту в приложении, для этого нажмите на неё и выберите нужный пункт меню."
    english = "You can block your card in the application, please choose the card and press the button below it."
    turkish = "Kartınızı uygulamadan değiştirebilirsiniz, bunun için lütfen aşağıdaki düğmeye basın ve bekleyin."
    folded = AZ.fold_ascii("Kartı tətbiqdə bloklaya bilərsiniz, bunun üçün onu seçin və aşağıdakı düyməni basın.")
    answers = [russian, english, turkish, folded, "Yes sir", REFERENCE]
    some = [asking(russian, answer) for answer in answers]  # who asks may do so in any language
    for drop in (False, True):
        account = Account()
        left = in_language(some, AZ, drop, account)
        assert left == (some[3:] if drop else some)
        assert (account.languages["en"], account.languages["tr"], account.languages.total()) == (1, 1, 3)
        assert account.out["other_language"] == 3 * drop
    assert in_language([], AZ, True, Account()) == []
    made = asking(QUESTION, english)
    made.kind = "answered"
    assert in_language([made], AZ, True, Account()) == [made]


def test_of_a_language_that_is_not_told_apart_nothing_is_dropped() -> None:
    account = Account()
    some = [asking(QUESTION, "You can block your card in the application, please choose the card.")]
    assert in_language(some, load_profile("code"), True, account) == some
    assert not account.languages


def personal() -> list[Dialogue]:
    """One in each place, and one in none."""
    return [
        asking(f"Mənə yazın: {EMAIL}"),
        asking(QUESTION, f"Zəng edin: {PHONE}"),
        dialogue(*PAIR, said("user", f"Nömrəm {PHONE}"), calling("call", {"to": PHONE}), said("tool", "hazırdır")),
        dialogue(said("user", "Göndərin"), calling("send", f'{{"to": "{EMAIL}"}}')),
        dialogue(*PAIR, passages=(Passage("Kart"), Passage(f"Ünvan: {EMAIL}", "Əlaqə"))),
        dialogue(*PAIR, passages=(Passage("Kart", f"{EMAIL} kimindir?"),)),
        dialogue(*PAIR),
    ]


def test_personal_data_is_masked_wherever_it_stands() -> None:
    account, finder = Account(), Finder(AZ)
    left = list(without_personal_data(personal(), finder, False, account))
    assert account.changed == {"masked": 6, "answer_masked": 1}
    assert not account.out
    shown = [repr((one.messages, one.passages)) for one in left]
    assert not any(EMAIL in text or PHONE in text for text in shown)
    assert [("[email]" in text, "[phone]" in text) for text in shown] == [
        (True, False), (False, True), (False, True), (True, False), (True, False), (True, False), (False, False),
    ]  # fmt: skip
    assert left[0].messages[0]["content"] == "Mənə yazın: [email]"
    assert left[-1] == personal()[-1]
    again = list(without_personal_data(deepcopy(left), finder, False, account))
    assert again == left


def test_dialogues_with_personal_data_are_dropped_if_asked_for() -> None:
    account = Account()
    assert list(without_personal_data(personal(), Finder(AZ), True, account)) == personal()[-1:]
    assert account.out == {"personal_data": 6}
    assert not account.changed["masked"]


def test_ones_own_contacts_stay_however_they_are_written() -> None:
    account = Account()
    finder = Finder(AZ, [EMAIL.upper(), "+994 50 123-45-67"])
    assert list(without_personal_data(personal(), finder, True, account)) == personal()
