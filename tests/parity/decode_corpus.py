"""Holds TurboJPEG, sharp and Pillow to one verdict, and one set of pixels, over damaged files.

    python tests/parity/decode_corpus.py [--rounds 6] [--write-golden] [FILE ...]

Needs Pillow and a build. Without files it damages the JPEG fixtures of packages/augment/assets/decode;
files of other formats are decoded by whatever decodes them here. --write-golden (with one round) stores Pillow's verdicts for the ordinary tests. Ends with 1 where a
verdict or a pixel differs, except in the classes that docs/decoding.md lists.
"""

import argparse
import collections
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import warnings

import PIL
from PIL import Image, features

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "packages/augment/scripts/judge-decode-corpus.mjs"
GOLDEN = ROOT / "packages/augment/assets/decode/corpus.json"
# As in the script: damaged headers claim any size.
MAX_PIXELS = 20_000_000


# docs/decoding.md, "Where we differ from Pillow".
def is_known(base: str, what: str) -> bool:
    stricter = what == "rejected by us, accepted by Pillow"
    return stricter and (base == "arithmetic.jpg" or base.endswith((".png", ".tif")))


def pillow_verdict(data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            if image.size[0] * image.size[1] > MAX_PIXELS:
                return "-"
            pixels = image.convert("RGB").tobytes()
    except Exception:  # whatever Pillow throws is its verdict
        return "-"
    return hashlib.sha256(pixels).hexdigest()[:12]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--write-golden", action="store_true")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()

    counts: collections.Counter[str] = collections.Counter()
    differing: collections.Counter[tuple[str, str]] = collections.Counter()
    golden: dict[str, list[str]] = {}
    command = ["node", str(SCRIPT), str(options.rounds), *options.files]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as judge:
        assert judge.stdout is not None
        while line := judge.stdout.readline():
            base, kind, size, thread, main_thread = line.decode().split()
            pillow = pillow_verdict(judge.stdout.read(int(size)))
            golden.setdefault(base, []).append(pillow[:6])
            counts["files"] += 1
            counts["accepted by Pillow" if pillow != "-" else "rejected by Pillow"] += 1
            if thread == main_thread == pillow:
                counts["same verdict and pixels from all three"] += 1
                continue
            if thread != main_thread:
                what = "compute and main thread differ"
            elif thread == "-":
                what = "rejected by us, accepted by Pillow"
            elif pillow == "-":
                what = "accepted by us, rejected by Pillow"
            else:
                what = "pixels differ from Pillow's"
            differing[base, what] += 1
            print(f"{base} {kind}: {what} (compute thread {thread}, main thread {main_thread}, Pillow {pillow})")
    if judge.returncode != 0:
        return 1

    made_by = {"pillow": PIL.__version__, "libjpeg-turbo": features.version("libjpeg_turbo")}
    print(json.dumps({**made_by, **counts, "differing": {" ".join(k): n for k, n in differing.items()}}, indent=1))
    if options.write_golden:
        bases = {base: " ".join(verdicts) for base, verdicts in golden.items()}
        GOLDEN.write_text(json.dumps({"madeBy": made_by, "verdicts": bases}, indent=1) + "\n")
    return 0 if all(is_known(*each) for each in differing) else 1


if __name__ == "__main__":
    sys.exit(main())
