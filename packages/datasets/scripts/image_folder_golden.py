"""Writes golden/image-folder.json: what torchvision's ImageFolder finds in some folders.

    python3 packages/datasets/scripts/image_folder_golden.py > packages/datasets/golden/image-folder.json

torchvision need not be installed: its rules (find_classes, make_dataset, has_file_allowed_extension) are
followed with the same os.scandir, os.walk and sorted, on real folders made here. Names that are not UTF-8
are written as Python has them, with a surrogate for each stray byte.
"""

import json
import os
import sys
import tempfile

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def find_classes(root):
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir())


def find_samples(root, classes):
    samples = []
    for label, name in enumerate(classes):
        for folder, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):
            for file in sorted(files):
                if file.lower().endswith(EXTENSIONS):
                    samples.append([os.path.relpath(os.path.join(folder, file), root), label])
    return samples


def case(name, entries):
    """`entries`: "folder/" makes a folder, "path" a file, "path -> target" a link."""
    with tempfile.TemporaryDirectory() as root:
        for entry in entries:
            path, _, target = entry.partition(" -> ")
            full = os.path.join(root, path)
            os.makedirs(full if path.endswith("/") else os.path.dirname(full), exist_ok=True)
            if target:
                os.symlink(target, full)
            elif not path.endswith("/"):
                with open(full, "wb") as file:
                    file.write(path.encode("utf-8", "surrogateescape"))
        classes = find_classes(root)
        samples = find_samples(root, classes)
    return {"name": name, "entries": entries, "classes": classes, "samples": samples}


cases = [
    case("two classes", ["dog/b.jpg", "dog/a.jpg", "cat/c.png", "cat/10.png", "cat/9.png"]),
    case("every extension, in any case", [f"c/x{i}{e}" for i, e in enumerate(EXTENSIONS)]
         + [f"c/X{i}{e.upper()}" for i, e in enumerate(EXTENSIONS)] + ["c/Mixed.JpEg", "c/.png", "c/.hidden.webp"]),
    case("names that only look like images", ["c/a.jpg", "c/a.jpg.txt", "c/jpg", "c/a.jpg ", "c/a.gif", "c/a.jpe",
                                              "c/a.jfif", "c/a.heic", "c/a.jp2", "c/a.tiff~", "c/a.p\u0130ng"]),
    case("capitals, digits and punctuation", ["b/1.jpg", "B/1.jpg", "a/1.jpg", "_/1.jpg", "10/1.jpg", "9/1.jpg",
                                              "a b/1.jpg", "a-b/1.jpg", "a.b/1.jpg", "a/Z.jpg", "a/_.jpg", "a/-.jpg"]),
    case("folders in a class, before and after their siblings", [
        "c/z.jpg", "c/a/1.jpg", "c/a/b/1.jpg", "c/a-b/1.jpg", "c/a.b/1.jpg", "c/a b/1.jpg", "c/a0/1.jpg",
        "c/b.jpg/inside.jpg", "c/a/z.jpg", "c-d/1.jpg", "c/A/1.jpg", "c/deep/er/than/that/1.jpg"]),
    case("a class folder without images keeps its label", ["a/1.jpg", "b/", "c/readme.txt", "d/1.jpg", ".git/x"]),
    case("images beside the class folders", ["stray.jpg", "a/1.jpg", "b/1.jpg"]),
    case("beyond the basic plane", [
        "\U0001f600/1.jpg", "\uff21/1.jpg", "\ue000/1.jpg", "\u00e9/1.jpg", "e\u0301/1.jpg", "z/1.jpg",
        "z/\U0001f601.jpg", "z/\U0001f600.jpg", "z/\uff5e.jpg", "z/\ufb01.jpg", "z/\U00020000.jpg", "z/\ufffd.jpg"]),
    case("names that are not UTF-8", [
        "caf\udce9/1.jpg", "caf\u00e9/1.jpg", "cafz/1.jpg", "caf\U0001f600/1.jpg", "caf\ue000/1.jpg",
        "cafz/\udcff\udcfe.jpg", "cafz/\udcf0\udc9f.jpg", "cafz/\U0001f600\udc80.jpg", "cafz/\ufffd\udc80.jpg"]),
    case("hostile names", [
        "new\nline/a\nb.jpg", "new\nline/a\tb.jpg", "tab\there/'\"$(x)`.jpg", "-rf/--help.jpg",
        ".../..jpg", "...x/...jpg", " /\u202e.jpg", "back\\slash/a\\b.jpg", "l" * 255 + "/" + "n" * 251 + ".jpg", "%2e%2e/%00.jpg"]),
    case("links", [
        "a/real.jpg", "a/link.jpg -> real.jpg", "b -> a", "c/sub -> ../a", "c/own.jpg", "d/1.jpg -> ../a/real.jpg",
        "e/up.png -> ../c/own.jpg"]),
]

words = ["", "a", "ab", "b", "A", "\u00e9", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff", "\udc80", "\udcff",
         "a\uffff", "a\U00010000", "a\udcff", "\U00010000a", "\U00010000b", "\U00010001", "\U00010000\uffff",
         "\U00010000\U00010000", "\U00010000\udc80", "/", "a/b", "a-b", "a/", "a0"]

json.dump({"cases": cases, "sorted": sorted(words)}, sys.stdout, indent=1)
