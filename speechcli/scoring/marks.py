"""Where a transcript errs against a reference, word by word: what pages and reports show."""

from __future__ import annotations

from speechcli.formats.html.beside import Mark as Mark
