"""Builds the plugin: the connector as payload of ``hummingbot_backpack``, and the ``.pth`` line that makes it be found.

The connector's folder has the place in this repository that it would have in Hummingbot's, but must not be installed
there: Hummingbot ships files of the same names, and two distributions cannot own one file.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
EXCHANGES = "hummingbot/connector/exchange"


class BuildWithPth(build_py):
    """Puts the ``.pth`` into site-packages itself, the one place where the interpreter reads it, in a wheel as in an
    editable install (whose packages stay where they are, so that only ``install_lib`` ends up in site-packages).
    """

    def run(self) -> None:
        super().run()
        site_packages = self.get_finalized_command("install").install_lib if self.editable_mode else self.build_lib
        self.copy_file("hummingbot_backpack/hummingbot_backpack.pth", site_packages)


def version() -> str:
    found = re.search(r'__version__ = "(.+)"', (HERE / "hummingbot_backpack/__init__.py").read_text())
    assert found, "hummingbot_backpack/__init__.py states the version"
    return found[1]


plugin_packages = find_packages(include=["hummingbot_backpack", "hummingbot_backpack.*"])
connector_packages = find_packages(EXCHANGES, include=["backpack", "backpack.*"])

setup(
    name="hummingbot-backpack",
    version=version(),
    description="Backpack Exchange connector for Hummingbot, with a local exchange to trade on",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*plugin_packages, *(f"hummingbot_backpack.payload.{name}" for name in connector_packages)],
    package_dir={"hummingbot_backpack.payload": EXCHANGES},
    package_data={
        "hummingbot_backpack": ["template/**/*.yml", "template/**/*.py"],
        "hummingbot_backpack.payload.backpack.simulator": ["*.html"],
    },
    cmdclass={"build_py": BuildWithPth},
    # Hummingbot itself is not named: the plugin goes into whatever Hummingbot is there, be it a source checkout.
    install_requires=[
        "aiohttp>=3.13,<4",
        "cryptography>=46,<51",
        "msgspec>=0.19,<1",
        "picows>=2.3,<3",
        "psutil>=7,<8",
        "pynacl>=1.6,<2",
        "pyyaml>=6,<7",
        "rich>=13.9,<16",
    ],
    extras_require={"report": ["matplotlib>=3.10,<4", "numpy>=2,<3"]},
    entry_points={"console_scripts": ["hummingbot-backpack = hummingbot_backpack.__main__:main"]},
)
