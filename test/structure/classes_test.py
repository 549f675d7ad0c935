# SPDX-License-Identifier: Apache-2.0
"""How much a class may hold: what has more than 15 data members or 25 private methods is several things."""

import re

from docs_test import ROOT
from sizes_test import sources

DATA_MEMBERS_MAX = 15
PRIVATE_METHODS_MAX = 25

HEAD = re.compile(r"\b(class|struct)\s+([\w:]+)(?:\s+final)?(?:\s*:[^{;]*)?\s*\{")
ACCESS = re.compile(r"\b(public|private|protected)\s*:")
NO_MEMBER = ("using", "friend", "enum", "class", "static", "template", "typedef")


def without_comments_and_texts(text):
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def own_statements(text, begin):
    """What stands in the class's own braces, those of nested ones left empty, until they close."""
    depth, at, own = 1, begin, []
    while depth and at < len(text):
        if text[at] == "{":
            depth += 1
            if depth == 2:
                own.append("{}")
        elif text[at] == "}":
            depth -= 1
        elif depth == 1:
            own.append(text[at])
        at += 1
    return re.split(r";|(?<=\{\})(?=\s*\n)", "".join(own))


def size_of(kind, statements):
    """(data members, private methods); data members end in an underscore here."""
    section, members, methods = ("private" if kind == "class" else "public"), 0, 0
    for statement in statements:
        for found in ACCESS.findall(statement):
            section = found
        statement = ACCESS.sub("", statement).strip()
        if not statement or statement.startswith(NO_MEMBER):
            continue
        if re.search(r"\w\s*\(", statement) and "std::function<" not in statement.split("(")[0]:
            methods += section == "private"
            continue
        members += len(re.findall(r"\b(\w+_)\b\s*(?=[,={\[]|$)", statement))
    return members, methods


def classes():
    for path in sources():
        text = without_comments_and_texts(path.read_text())
        for found in HEAD.finditer(text):
            yield (str(path.relative_to(ROOT)), found[2]), size_of(found[1], own_statements(text, found.end()))


def test_the_size_of_a_class_is_counted_as_a_reader_counts():
    text = """
class Example final : public Base {
 public:
  explicit Example(int a) : a_(a) {}
  void run();

 private:
  struct Inner { int inside_ = 0; void f(); };
  Result<void> first(int x);
  static bool second();
  bool third() const { return a_ > 0; }
  int a_, b_ = 0;
  std::function<void(int)> call_;  // not_this_
  std::map<std::string, int> c_{};
  struct { int x = 0; } d_;
  static constexpr int none_ = 1;
};
"""
    text = without_comments_and_texts(text)
    head = HEAD.search(text)
    assert head[2] == "Example"
    assert size_of(head[1], own_statements(text, head.end())) == (5, 2)


def test_no_class_has_more_than_15_data_members_or_25_private_methods():
    large = {name: size for name, size in classes() if size[0] > DATA_MEMBERS_MAX or size[1] > PRIVATE_METHODS_MAX}
    assert not large, f"split by responsibility: {large}"
