"""Code blocks of a Markdown document, also of one with a stray fence."""

import hashlib
import re
from dataclasses import dataclass

FENCE = re.compile(r"^ *```(\w*)\s*$")


@dataclass(frozen=True)
class Block:
    """Code block."""

    document: str
    line: int
    """Line of its fence, from 1."""
    language: str
    text: str

    @property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def code_blocks(document: str, text: str) -> list[Block]:
    """Return the blocks of a document.

    A fence without a language that is followed by one with a language opens nothing: it is stray. The text between the
    fence before it and the stray one is then a block, unless it is blank.
    """
    lines = text.splitlines(keepends=True)
    fences = [(number, found.group(1)) for number, line in enumerate(lines) if (found := FENCE.match(line))]
    blocks, position, end = [], 0, 0
    while position < len(fences):
        number, language = fences[position]
        closes = position + 1 < len(fences) and not fences[position + 1][1]
        if language or closes:
            last = fences[position + 1][0]
            blocks.append(Block(document, number + 1, language, "".join(lines[number + 1 : last])))
            position, end = position + 2, last + 1
            continue
        stray = "".join(lines[end:number])
        if stray.strip():
            blocks.append(Block(document, number + 1, "stray", stray))
        position, end = position + 1, number + 1
    return blocks
