"""Invented questions: of our own form, and of the forms of three public data sets."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

EXAM = [
    {"question": "Azərbaycanın paytaxtı hansı şəhərdir?", "choices": ["Bakı", "Gəncə", "Şəki", "Quba"], "answer": 0},
    {"question": "Bir həftədə neçə gün var?", "choices": ["beş", "altı", "yeddi gün", "on"], "answer": 2},
    {"question": "Hansı heyvan bal toplayır?", "choices": ["arı", "qarışqa", "kəpənək", "cırcırama"], "answer": 0},
    {"question": "Suyun donduğu temperatur hansıdır?", "choices": ["sıfır dərəcə", "on dərəcə"], "answer": 0},
    {"question": "Yazdan sonra hansı fəsil gəlir?", "choices": ["qış", "yay", "payız"], "answer": 1},
    {"question": "Tarifimi harada dəyişə bilərəm?", "choices": ["mətbəxdə", "bağda", "mobil tətbiqdə"], "answer": 2},
]

BELEBELE = [
    {"flores_passage": passage, "question": question, "correct_answer_num": str(right)}
    | {f"mc_answer{number}": text for number, text in enumerate(answers, 1)}
    for passage, question, answers, right in [
        ("Leyla hər səhər məktəbə piyada gedir. Məktəb evlərindən on dəqiqəlik məsafədədir.",
         "Leyla məktəbə necə gedir?", ["Piyada", "Avtobusla", "Velosipedlə", "Metro ilə"], 1),
        ("Bağda üç alma və iki armud ağacı var. Nar ağacı isə keçən il quruyub.",
         "Bağda neçə armud ağacı var?", ["Bir", "İki", "Üç", "Heç biri"], 2),
        ("Kitabxana bazar ertəsi bağlıdır, qalan günlər saat ondan altıya kimi işləyir.",
         "Kitabxana hansı gün bağlıdır?", ["Şənbə", "Bazar", "Bazar ertəsi", "Cümə"], 3),
        ("Yağış yağdığı üçün oyun sabaha saxlanıldı. Uşaqlar evdə şahmat oynadılar.",
         "Oyun niyə təxirə salındı?", ["İşıq söndü", "Top itdi", "Hakim gəlmədi", "Yağış yağırdı"], 4),
        ("Nənəm qutabı göyərti ilə, anam isə ət ilə bişirir. Mən hər ikisini sevirəm.",
         "Anam qutabı nə ilə bişirir?", ["Ət ilə", "Göyərti ilə", "Balqabaq ilə", "Pendir ilə"], 1),
    ]
]  # fmt: skip

INCLUDE = [
    {"domain": domain, "question": question, "answer": right}
    | {f"option_{letter}": text for letter, text in zip("abcd", options, strict=True)}
    for domain, question, options, right in [
        ("STEM", "Üçbucağın daxili bucaqlarının cəmi neçə dərəcədir?", ["90", "180", "270", "360"], 1),
        ("STEM", "Suyun kimyəvi düsturu hansıdır?", ["H2O", "CO2", "O2", "NaCl"], 0),
        ("Social Science", "Hansı şəhər Xəzər dənizinin sahilindədir?", ["Gəncə", "Şəki", "Sumqayıt", "Qəbələ"], 2),
        ("Arts & Humanities", "«Koroğlu» operasını kim bəstələyib?",
         ["Qara Qarayev", "Fikrət Əmirov", "Niyazi", "Üzeyir Hacıbəyli"], 3),
        ("Driving License", "Qırmızı işıq yananda sürücü nə etməlidir?",
         ["Dayanmalıdır", "Sürəti artırmalıdır", "Sola dönməlidir", "Siqnal verməlidir"], 0),
    ]
]  # fmt: skip

PIQA = [
    {"prompt": prompt, "solution0": first, "solution1": second, "label": right}
    for prompt, first, second, right in [
        ("Çay tez dəmlənsin deyə", "üstünə qaynar su tökürük.", "üstünə soyuq su tökürük.", 0),
        ("Paltar tez qurusun deyə", "onu su dolu vedrədə saxlayırıq.", "onu günün altında asırıq.", 1),
        ("Soğan gözü yaşartmasın deyə", "onu əvvəlcə soyuducuda saxlayırıq.", "onu sobanın üstünə qoyuruq.", 0),
        ("Bıçaq korlaşanda", "onu pambıqla silirik.", "onu bülöv daşında itiləyirik.", 1),
        ("Qapı cırıldayanda", "həncamalarını yağlayırıq.", "dəstəyini rəngləyirik.", 0),
    ]
]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
