r"""Texts that JSON and YAML have to escape: quotes, back-slashes, new lines, tabs, code and other scripts."""

SNIPPET = """Run this "as is", don't retype it:
```sh
kubectl patch deploy api --type=merge -p '{"spec":{"replicas":3}}' # C:\\temp\\new\\"x"
\tgrep -rE '^\\s*"[^"\\\\]+"' /etc | sed 's/\\n/\\\\n/g' > ~/größe-€-日本.txt
```
"""


def code_text(chars: int) -> str:
    """Return a text of exactly so many characters, which holds the snippet once or more."""
    assert chars >= len(SNIPPET), f"the snippet alone has {len(SNIPPET)} characters"
    return (SNIPPET * (chars // len(SNIPPET) + 1))[:chars]
