# ruff: noqa: RUF001 - letters that look alike are the point
"""Phrases that two tokenizers must agree on, before one replaces the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SENTENCES = (
    "a photo of a dog on a beach",
    "Two Children PLAYING in the Snow, near St. Moritz; 1987 (film)",
    "don't, I'M, they'll've, rock'n'roll, 'S 'RE the '90s, it’s “quoted” «so»",
    "naïve café, cafe\u0301, Ångström, fiancée, Œuvre, smørrebrød, Straße, ﬁn, ǆ, İstanbul ığdır",
    "dzień dobry, příliš žluťoučký kůň, Çeşme’de güneş, Việt Nam đẹp, ŝanĝo",
    "собака на пляже, Ёлка и подъезд, Київ",
    "ένας σκύλος στην παραλία, ᾳ \u0345",
    "כלב על החוף שָׁלוֹם",
    "كلب على الشاطئ ٢٠٢٤، مُحَمَّد",
    "समुद्र तट पर कुत्ता, क्षत्रिय १२३",
    "সৈকতে একটি কুকুর, கடற்கரையில் ஒரு நாய், బీచ్‌లో కుక్క",
    "สุนัขบนชายหาด ๑๒๓, ຫມາຢູ່ຫາດຊາຍ, ឆ្កែនៅលើឆ្នេរ",
    "沙滩上的狗，二〇二四年。臺灣，𠮷野家，〆切",
    "浜辺の犬 ハロー ﾊﾛｰ ガ カ\u3099 ＬＯＵＤ ＮＯＩＳＥ",
    "해변의 개, 한국 \u1112\u1161\u11ab, ㅋㅋ",
    "ძაღლი სანაპიროზე, շուն լողափին, ውሻ በባህር ዳርቻ",
    "ᓄᓇᕗᑦ, ᚠᚢᚦ, ꦲꦏ꧀, 𓀀𓂀, 𝒞𝓁𝒾𝓅, 𐍈",
    "🐶 on 🏖️, 👩‍👩‍👧‍👦, 👍🏽, 🇫🇷🇩🇪, 🏴󠁧󠁢󠁳󠁣󠁴󠁿, 1️⃣, ☃︎ ☃️, ❤",
    "½ ² ₃ Ⅳ ⅻ ① 1,000.50 1e-9 0x1F 50% €20 £5 ¥ №7 ℃ 3×4≠12 ∑√∞",
    "<b>bold</b> <img src='x'> &amp; &amp;amp; &lt;i&gt; &eacute; &#8217; &#x1F600; &nbsp;&unknown; a&b",
    "# title *bold* _under_score_ `code` [link](https://example.org/a_b?c=d&e=%20#f) me@example.org @you #tag",
    "C:\\photos\\IMG_2041.JPG ~/photos/2019-07-14T12:30:00+02:00.tar.gz snake_case camelCase kebab-case",
    "‘single’ „low“ ‚x‘ `tick` ´acute´ 'a' \"b\" – — ― … · • ¿qué? ¡ay!",
    "â€œmojibakeâ€\x9d cafÃ© ä½\xa0å¥½ \x85 Ð¡Ð¾Ð±Ð°ÐºÐ°",
    "zero\u200bwidth\u200cjoin\u200der, soft\u00adhyphen, \ufeffmark, \u2060 \u202ertl\u202c \u061c",
    "tab\there, line\nbreak\r\nand\u2028more\u2029end\x0b\x0c \u00a0\u2003\u3000 \u1680 \x1c\x1d\x1e\x1f",
    "nul\x00 bell\x07 \x1b[31mred\x1b[0m del\x7f \x80\x9f \ufffd \ufffe \U0010ffff \ue000 \u0378",
    "e" + "\u0301\u0323\u0308" * 8 + " Z\u0351\u036b\u0343a\u0489l\u0322g\u0336o\u0334",
    "<ſtart_of_text> <END_OF_TEXT> <start_OF_text> <end_of_TEXT>",
    "</s > [sep] ▁ ▁▁a ##ing <0x41> <unk>> <|endoftext|> <extra_id_0>",
    "!!! ... --- ??? ))) :-) ;) ^_^ <3 ¯\\_(ツ)_/¯ (╯°□°)╯",
)
_SHORT = (
    "",
    " ",
    " \t\n ",
    "\x00",
    "\u3000",
    ".",
    "a",
    "A",
    "1",
    "é",
    "ß",
    "犬",
    "🐶",
    "'",
    "'s",
    "<",
    ">",
    "_",
    "&",
    "▁",
    "\u0301",
)
_SPECIAL = ("{}", "{0}{0}", "a photo {} of a dog", "x{}y", "!!{}!!", "a's{}'s", " {} ", "7{}7", "犬{}犬")


def phrases(special_tokens: Iterable[str]) -> list[str]:
    """Return some hundred phrases: scripts, signs, markup, damage, lengths beyond any limit, literal special tokens."""
    words = " ".join(_SENTENCES).split(" ")
    return [
        *_SHORT,
        *_SENTENCES,
        *(sentence.upper() for sentence in _SENTENCES),
        *(" ".join(words[start : start + 7]) for start in range(0, len(words), 4)),
        *(" ".join([sentence] * 12) for sentence in _SENTENCES),
        *("".join(sentence.split()) for sentence in _SENTENCES),
        *("x" * length for length in (15, 64, 300, 5000)),
        *(" ".join(["dog"] * length) for length in range(8, 90)),
        *(form.format(token) for token in special_tokens for form in _SPECIAL),
    ]
