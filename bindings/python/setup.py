"""Puts the C library into the wheel if the environment variable MICROMINT_WHEEL_LIBRARY names it."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

LIBRARY = os.environ.get("MICROMINT_WHEEL_LIBRARY")


class Package(Distribution):
    def has_ext_modules(self):
        return bool(LIBRARY)


class Build(build_py):
    def run(self):
        super().run()
        if LIBRARY:
            folder = Path(self.build_lib) / "micromint" / "lib"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(LIBRARY, folder / "libmicromint.so")


class Wheel(bdist_wheel):
    def get_tag(self):
        # ctypes: any Python 3, but only the system of the library.
        return ("py3", "none", platform() if LIBRARY else "any")


def platform():
    """The oldest glibc that has all symbols of the library."""
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    try:
        symbols = subprocess.run(["objdump", "-T", LIBRARY], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return here
    minors = [int(minor) for minor in re.findall(r"GLIBC_2\.(\d+)", symbols)]
    return here.replace("linux", f"manylinux_2_{max(minors)}") if minors else here


setup(distclass=Package, cmdclass={"build_py": Build, "bdist_wheel": Wheel})
