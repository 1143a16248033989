"""Holds TurboJPEG, sharp and Pillow to one verdict, and one set of pixels, over damaged JPEGs.

    python tests/parity/decode_corpus.py [--rounds 6] [--write-golden] [JPEG ...]

Needs Pillow and a build. Without files it damages the fixtures of packages/augment/assets/decode;
--write-golden (with one round) stores Pillow's verdicts for the ordinary tests. Ends with 1 where a
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
# docs/decoding.md, "Where we differ from Pillow".
KNOWN = {("arithmetic.jpg", "rejected by us, accepted by Pillow")}


def pillow_verdict(data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = Image.open(io.BytesIO(data)).convert("RGB").tobytes()
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
            base, kind, size, turbo, sharp = line.decode().split()
            pillow = pillow_verdict(judge.stdout.read(int(size)))
            golden.setdefault(base, []).append(pillow[:6])
            counts["files"] += 1
            counts["accepted by Pillow" if pillow != "-" else "rejected by Pillow"] += 1
            if turbo == sharp == pillow:
                counts["same verdict and pixels from all three"] += 1
                continue
            if turbo != sharp:
                what = "TurboJPEG and sharp differ"
            elif turbo == "-":
                what = "rejected by us, accepted by Pillow"
            elif pillow == "-":
                what = "accepted by us, rejected by Pillow"
            else:
                what = "pixels differ from Pillow's"
            differing[base, what] += 1
            print(f"{base} {kind}: {what} (TurboJPEG {turbo}, sharp {sharp}, Pillow {pillow})")
    if judge.returncode != 0:
        return 1

    made_by = {"pillow": PIL.__version__, "libjpeg-turbo": features.version("libjpeg_turbo")}
    print(json.dumps({**made_by, **counts, "differing": {" ".join(k): n for k, n in differing.items()}}, indent=1))
    if options.write_golden:
        bases = {base: " ".join(verdicts) for base, verdicts in golden.items()}
        GOLDEN.write_text(json.dumps({"madeBy": made_by, "verdicts": bases}, indent=1) + "\n")
    return 1 if set(differing) - KNOWN else 0


if __name__ == "__main__":
    sys.exit(main())
