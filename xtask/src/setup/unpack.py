"""Checks a wheel's SHA-256 and unpacks those of its files that match the patterns.

Usage: unpack.py WHEEL SHA256 FOLDER PATTERN...   (a pattern with a leading ! leaves files out)
Ends with 3 where the hash differs, and prints the one that was found.
"""

import hashlib
import sys
import zipfile
from fnmatch import fnmatchcase


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def wanted(name, patterns):
    kept = any(fnmatchcase(name, p) for p in patterns if not p.startswith("!"))
    return kept and not any(fnmatchcase(name, p[1:]) for p in patterns if p.startswith("!"))


def main(wheel, expected, folder, *patterns):
    found = sha256(wheel)
    if found != expected:
        print(found)
        return 3
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.is_dir() and wanted(member.filename, patterns):
                archive.extract(member, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
