"""How programs name an edit or a copy of a photo, in the languages of phones and desktops: words in lower case."""

from __future__ import annotations

EDITED = (
    "edited", "edit", "bearbeitet", "modifié", "modifiée", "editado", "editada", "ha editado",
    "modificato", "modificata", "bewerkt", "edytowane", "edytowany", "edytowana", "redigerad",
    "redigerat", "redigeret", "redigert",
    "muokattu", "upravené", "upraveno", "upravená", "upravený", "szerkesztett", "editat", "uređeno", "urejeno",
    "redaguota",
    "rediģēts", "muudetud", "düzenlendi", "diedit", "đã chỉnh sửa", "επεξεργασμένο", "изменено", "отредактировано",
    "відредаговано", "змінено", "редактирано", "編集済み", "编辑", "編輯", "已编辑", "已編輯", "已修改",
    "편집됨", "수정됨", "แก้ไขแล้ว", "संपादित", "ערוך", "ערוכה", "معدل", "معدلة", "معدّل", "معدّلة", "ویرایش شده",
)  # fmt: skip
"""At the end of the name of an edit, as in "IMG_1234-bearbeitet.jpg"."""

COPY = (
    "copy", "kopie", "copie", "copia", "cópia", "còpia", "kopia", "kopi", "kopio", "kópia", "kopija", "kopya", "koopia",
    "másolat", "αντίγραφο", "копия", "копія", "копие", "のコピー", "コピー", "副本", "拷贝", "拷貝", "复制", "複製",
    "복사본", "사본", "สำเนา", "bản sao", "salinan", "עותק", "نسخة", "کپی",
)  # fmt: skip
"""At the end of the name of a copy, as in "IMG_1234 - Kopie.jpg"."""

COPY_OF = (
    "copy of", "kopie von", "kopie van", "copie de", "copia de", "copia di", "copie di", "cópia de", "còpia de",
    "kopia",
    "kopi av", "kopi af", "kopie", "kópia", "kopya", "másolat", "αντίγραφο", "копия", "копія", "bản sao của", "salinan",
    "edited",
)  # fmt: skip
"""Before the name of the original, as in "Copy of IMG_1234.jpg"."""
